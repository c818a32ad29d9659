"""Both families are served, and the health check asks where the service listens."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from telemetry_service.cli.listening import bound_to, is_loopback, listen
from telemetry_service.cli.liveness import is_alive, listening_on
from telemetry_service.sealing.keyring import generate_key
from tests.cli.conftest import CommandLine
from tests.support.program import Program

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
HOSTS = [
    "127.0.0.1",
    "127.0.0.5",
    "0.0.0.0",  # noqa: S104 - it is what somebody says with --host
    pytest.param("::1", marks=needs_ipv6),
    pytest.param("::", marks=needs_ipv6),
]


@contextmanager
def responding(listener: socket.socket) -> Iterator[int]:
    """Respond to every caller, as a live service does."""

    def response() -> None:
        while True:
            try:
                caller, _address = listener.accept()
            except OSError:
                return
            with caller:
                caller.recv(4096)
                caller.sendall(RESPONSE)

    thread = threading.Thread(target=response, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("host", HOSTS)
def test_the_health_check_finds_the_service_wherever_it_listens(host: str) -> None:
    with closing(listen(host, 0)) as listener, responding(listener) as port:
        assert is_alive(port)
    assert not is_alive(port)


@needs_ipv6
def test_who_listens_on_everything_is_reached_by_both_families() -> None:
    with closing(listen("::", 0)) as listener, responding(listener) as port:
        assert bound_to(listener) == f"[::]:{port}"
        assert not is_loopback(listener)
        for address in ("127.0.0.1", "::1"):
            assert is_alive(port, address)


@needs_ipv6
def test_who_listens_on_one_address_of_ipv6_is_not_reached_by_ipv4() -> None:
    with closing(listen("::1", 0)) as listener, responding(listener) as port:
        assert is_loopback(listener)
        assert listening_on(port) == ["::1"]
        assert not is_alive(port, "127.0.0.1")


def test_where_nothing_listens_the_loopbacks_are_asked() -> None:
    with closing(listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert listening_on(port) == ["127.0.0.1", "::1"]


@needs_ipv6
def test_the_service_itself_serves_both(bare: CommandLine, tmp_path: Path) -> None:
    keys = {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()}
    with Program("serve", "--host", "::", "--port", "0", folder=tmp_path, environment=keys, forked=True) as service:
        port = service.wait_for_url().rpartition(":")[2]
        assert bare("doctor", "--liveness", "--port", port).code == 0
        for host in ("127.0.0.1", "::1"):
            assert bare("doctor", "--liveness", "--port", port, "--host", host).code == 0
        assert bare("doctor", "--liveness", "--port", port, "--host", "127.0.0.1", "--json").json() == {"alive": True}
