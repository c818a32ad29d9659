"""A service that is told to stop ends with 0 and says nothing of an error, in whichever moment it is told."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.server import until_stopped
from tests.cli.conftest import CommandLine
from tests.support.forked import Forked
from tests.support.moments import signal_from
from tests.support.program import kept_environment

OURS = "telemetry_service"
WHILE_IT_STARTS = (
    f"{OURS}.cli.command_line:run",
    f"{OURS}.cli.command_line:make_cli",
    f"{OURS}.cli.commands.serve:serve",
    f"{OURS}.settings:load_settings",
    f"{OURS}.cli.listening:listen",
    f"{OURS}.log.setup:set_up_log",
    "threading:Thread.start",
    f"{OURS}.service:open_service",
    f"{OURS}.storage.migrate:migrate",
    f"{OURS}.service:make_runtime",
    f"{OURS}.storage.in_use:InUse.__init__",
    f"{OURS}.pipeline.actions.start:start",
    f"{OURS}.storage.database:Database.write",
    f"{OURS}.app:make_app",
    f"{OURS}.web.application:create_web",
    f"{OURS}.cli.loading:resume_collection",
    f"{OURS}.cli.reloading:Reloader.__init__",
    f"{OURS}.cli.signals:reloaded_on_sighup",
    f"{OURS}.cli.server:run_server",
)
WHILE_IT_SERVES = (
    "uvicorn.server:Server.run",
    "asyncio.runners:Runner.__init__",
    "asyncio.runners:Runner._lazy_init",
    "uvloop:new_event_loop",
    "uvicorn.server:Server.serve",
    "uvicorn.server:Server._serve",
    f"{OURS}.cli.server:Server.startup",
    "uvicorn.lifespan.on:LifespanOn.startup",
    f"{OURS}.app:make_app.<locals>.lifespan",
    f"{OURS}.service:Service.start",
    f"{OURS}.scheduler:Scheduler.start",
    f"{OURS}.cli.systemd:notify_ready",
    "uvicorn.server:Server.main_loop",
)
WHILE_IT_STOPS = (
    f"{OURS}.cli.server:Server.shutdown",
    f"{OURS}.service:Service.stop",
    f"{OURS}.storage.database:Database.close",
    "asyncio.runners:Runner.close",
    f"{OURS}.cli.signals:ignore_stop_signals",
)
MOMENTS = (*WHILE_IT_STARTS, *WHILE_IT_SERVES, *WHILE_IT_STOPS)

LOADED = ("typer", "sqlalchemy", "uvicorn", "fastapi", "telemetry_service.app")
"""What a start loads, one after the other."""

_TOLD_AT_IMPORT = """
import signal, sys
from telemetry_service.cli import main

def look(event, found):
    if event == "import" and found[0] == wanted:
        signal.raise_signal(getattr(signal, number))

wanted, number, *sys.argv[1:] = sys.argv[1:]
sys.addaudithook(look)
main()
"""


def test_it_ends_with_0_whenever_it_is_told_to_stop_and_however_often(cli: CommandLine, tmp_path: Path) -> None:
    ended = partial(_told_from, cli.environment, tmp_path)
    first = (*WHILE_IT_STARTS, *WHILE_IT_SERVES)
    with ThreadPoolExecutor(3) as several:
        found = dict(zip(first, several.map(ended, first), strict=True))
    expected = {**{at: (0, []) for at in WHILE_IT_STARTS}, **dict.fromkeys(WHILE_IT_SERVES, (0, STOPPED))}
    assert {at: ended for at, ended in found.items() if ended != expected[at]} == {}


REGULAR = {"deployment_warning", "ledger_written"}
STOPPED = ["service_started", "service_stopping", "service_stopped"]


def _told_from(environment: Mapping[str, str], parent: Path, moment: str) -> tuple[int, list[str]]:
    """Return the exit code of a service that gets signals from a moment on, and the events of its log."""
    folder = parent / str(MOMENTS.index(moment))
    folder.mkdir()
    database = shutil.copy(environment["TELEMETRY_DATABASE_URL"].removeprefix("sqlite:///"), folder / "telemetry.db")
    environment = {**environment, "TELEMETRY_DATABASE_URL": f"sqlite:///{database}", "TELEMETRY_LOG_LEVEL": "info"}
    told = partial(signal_from, moment, MOMENTS)
    process = Forked(("serve", "--port", "0"), folder, environment, folder / "errors", told)
    try:
        code = process.wait(60)
    finally:
        process.kill()
        process.stdout.close()
    return code, [event for event in _events(folder / "errors") if event not in REGULAR]


def _events(errors: Path) -> Iterator[str]:
    for line in errors.read_text().splitlines():
        yield json.loads(line)["event"] if line.startswith("{") else line


def test_it_ends_with_0_while_it_loads_and_another_command_as_interrupted(cli: CommandLine, tmp_path: Path) -> None:
    cases: list[tuple[tuple[str, ...], str, str, int]] = [
        (("serve", "--port", "0"), name, ("SIGINT", "SIGTERM")[place % 2], 0) for place, name in enumerate(LOADED)
    ]
    cases += [(("history",), name, "SIGINT", ExitCode.INTERRUPTED) for name in LOADED[:2]]
    for command, name, number, code in cases:
        ended = subprocess.run(
            [sys.executable, "-c", _TOLD_AT_IMPORT, name, number, *command],
            cwd=tmp_path,
            env=kept_environment() | cli.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (code, ""), (command, name, number)


_SWALLOWED = """
import signal, socket, weakref
from telemetry_service.cli.server import run_server, until_stopped

class Thing: pass

with until_stopped(), socket.create_server(("127.0.0.1", 0)) as listener:
    thing = Thing()
    told = weakref.ref(thing, lambda _gone: signal.raise_signal(signal.SIGTERM))
    del thing
    print("goes on")
    run_server(None, listener, lambda: print("serves"))
print("ends")
"""


def test_being_told_to_stop_where_python_swallows_exceptions_is_not_forgotten() -> None:
    ended = subprocess.run([sys.executable, "-c", _SWALLOWED], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.split("\n") == ["goes on", "ends", ""]


def test_what_fails_before_anyone_says_stop_leaves_the_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with suppress(ZeroDivisionError), until_stopped():
        assert signal.getsignal(signal.SIGTERM) is not before
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGTERM) is before
