"""A test that reaches for the world outside fails, whatever becomes of its own assertion."""

import socket

import pytest

from tests.support.each import each
from tests.support.loopback import is_loopback

pytest_plugins = ["pytester"]

_OUTSIDE = """
import socket

def test_reaches_out():
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=1)
    except OSError:
        pass  # As a client would that maps each fault of the network to an outcome.
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@each("host", ["192.0.2.1", "0.0.0.0", "2001:db8::1", "license.example", ""])  # noqa: S104 - an address to refuse
def test_everything_else_is_outside(host: str) -> None:
    assert not is_loopback(host)


def test_connecting_to_this_machine_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_a_test_that_swallows_the_refusal_fails_all_the_same(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    pytester.makepyfile(_OUTSIDE)
    result = pytester.runpytest_subprocess("-p", "tests.plugin", "-p", "no:randomly", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    assert "192.0.2.1" in result.stdout.str()
