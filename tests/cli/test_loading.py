"""A program loads only what its command needs: most of the time of a start goes into loading."""

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.cli.conftest import CommandLine
from tests.support.program import kept_environment

_LOOK = """
import gc, json, os, signal, sys, threading, time
from telemetry_service.cli import main

arguments = json.loads(sys.argv.pop())
sys.argv[1:] = arguments

def runs():
    # Everything is loaded, and the server's loop, no longer the command, is told of a signal.
    return gc.get_freeze_count() and getattr(signal.getsignal(signal.SIGTERM), "__name__", "") == "handle_exit"

def look_and_stop():
    until = time.monotonic() + 60
    while not runs() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

if arguments[0] in ("serve", "demo", "license-server"):
    threading.Thread(target=look_and_stop).start()
try:
    main()
finally:
    print(json.dumps([gc.isenabled(), gc.get_freeze_count() > 0, *sys.modules]))
"""

OF_POSTGRESQL = {"psycopg", "sqlalchemy.dialects.postgresql"}
OF_MIGRATIONS = {"alembic", "mako", "sqlalchemy.orm"}
OF_THE_WEB = {"fastapi", "starlette", "uvicorn", "jinja2", "prometheus_client", "structlog"}
OF_THE_LICENSE_SERVER = {"httpx", "httpcore", "rich", "telemetry_service.license_server.client"}
OF_THE_SCHEDULE = {"apscheduler", "tzlocal"}
OF_A_SERVICE = OF_THE_WEB | OF_THE_LICENSE_SERVER | OF_THE_SCHEDULE


def after(cli: CommandLine, folder: Path, *arguments: str) -> tuple[bool, bool, set[str]]:
    """Return whether garbage is collected after a command, whether what was loaded is exempt, and what that is."""
    ended = run(
        [sys.executable, "-c", _LOOK, json.dumps(arguments)],
        cwd=folder,
        env=kept_environment() | cli.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    collects, exempt, *loaded = json.loads(ended.stdout.splitlines()[-1])
    return collects, exempt, set(loaded)


def test_a_service_on_sqlite_loads_no_migrations_and_no_other_driver(connected: CommandLine, tmp_path: Path) -> None:
    collects, exempt, loaded = after(connected, tmp_path, "serve", "--port", "0")
    assert (collects, exempt) == (True, True)
    assert loaded & (OF_POSTGRESQL | OF_MIGRATIONS) == set()
    assert loaded > OF_THE_WEB | OF_THE_SCHEDULE | {"httpx", "telemetry_service.license_server.client"}


@pytest.mark.parametrize("arguments", [["history"], ["token", "list"], ["preview"]], ids=" ".join)
def test_a_command_that_only_reads_loads_nothing_that_serves_or_sends(
    connected: CommandLine, tmp_path: Path, arguments: list[str]
) -> None:
    collects, exempt, loaded = after(connected, tmp_path, *arguments)
    assert (collects, exempt) == (True, True)
    assert loaded & (OF_POSTGRESQL | OF_MIGRATIONS | OF_A_SERVICE) == set()
    assert "sqlalchemy" in loaded


def test_the_reference_license_server_collects_garbage(bare: CommandLine, tmp_path: Path) -> None:
    assert after(bare, tmp_path, "license-server", "--port", "0")[:2] == (True, True)
