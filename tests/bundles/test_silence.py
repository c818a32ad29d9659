"""In bundles, the process opens no connection and looks up no name: seen from outside, by its system calls."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from telemetry_service.sealing.keyring import generate_key
from tests.support.program import Program
from tests.support.programs import permitted, require
from tests.support.running import UNUSED_TLS
from tests.support.strace import STRACE, can_trace

_CALLS = "trace=socket,connect,sendto,sendmsg,sendmmsg,open,openat"
_OUTSIDE = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*(?:AF_INET|nscd)")
_LOOK_UP = re.compile(r"\bopen(?:at)?\(.*/etc/(?:resolv\.conf|hosts|nsswitch\.conf)")
_SOCKET = re.compile(r"\bsocket\(AF_INET")


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    """Skip where it is missing or forbidden."""
    require(STRACE, "strace is not installed")
    permitted(can_trace(), "strace may not look into the processes that it starts here")


def traced(log: Path, *command: str) -> Iterator[str]:
    """Run a command, and yield its calls that have to do with other machines."""
    tracing = [str(STRACE), "-f", "-qq", "-o", str(log), "-e", _CALLS, *command]
    subprocess.run(tracing, check=True, timeout=300)
    for line in log.read_text(errors="replace").splitlines():
        if any(pattern.search(line) for pattern in (_OUTSIDE, _LOOK_UP, _SOCKET)):
            yield line


def life(database_url: str, delivery: str, folder: Path) -> list[str]:
    """Return what a whole life shows."""
    program = (sys.executable, "-m", "tests.support.life_under_strace", database_url, delivery, str(folder))
    return list(traced(folder / "calls", *program))


def test_no_connection_is_opened_and_no_name_is_looked_up(sqlite_url: str, tmp_path: Path) -> None:
    assert life(sqlite_url, "bundle", tmp_path) == []


def test_with_a_database_server_nothing_but_that_is_connected_to(postgresql_url: str, tmp_path: Path) -> None:
    seen = life(postgresql_url, "bundle", tmp_path)
    # Its library asks who the user is, which may ask nscd, and it may be reached at a port of its own.
    of_library = re.compile(rf"AF_UNIX|nsswitch|htons\({make_url(postgresql_url).port}\)")
    assert [line for line in seen if not of_library.search(line) and not _SOCKET.search(line)] == []


def test_online_the_same_life_looks_a_name_up(sqlite_url: str, tmp_path: Path) -> None:
    """So that the two tests above can fail."""
    seen = life(sqlite_url, "online", tmp_path)
    assert [line for line in seen if _LOOK_UP.search(line) or _OUTSIDE.search(line)]


def test_the_running_service_listens_and_connects_to_nothing(sqlite_url: str, tmp_path: Path) -> None:
    environment = {
        "ENCRYPTION_KEY": generate_key(),
        "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
        "TELEMETRY_DATABASE_URL": sqlite_url,
        "TELEMETRY_CUSTOMER_ID": "cus_Nq4Rz7WkX2",
        "TELEMETRY_DELIVERY": "bundle",
        "TELEMETRY_LICENSE_SERVER_URL": "https://license-server.invalid",
    }
    log = tmp_path / "calls"
    watched_by = (str(STRACE), "-D", "-f", "-q", "-o", str(log), "-e", _CALLS)
    with Program("serve", "--port", "0", folder=tmp_path, environment=environment, watched_by=watched_by) as running:
        assert httpx.get(f"{running.wait_for_url()}/healthz", trust_env=False, verify=UNUSED_TLS).is_success
        assert running.stop(signal.SIGTERM) == 0
    calls = log.read_text(errors="replace").splitlines()
    assert [line for line in calls if _SOCKET.search(line)], "its own address was not seen: nothing was watched"
    assert not [line for line in calls if _OUTSIDE.search(line)]
