"""``telemetry-service demo``."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from telemetry_service.cli.commands.serve import DEFAULT_PORT
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import say, say_on_stderr

_LOOPBACK = "127.0.0.1"

Port = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help=f"The port to listen on. [default: {DEFAULT_PORT}, or a free one]"),
]
Folder = Annotated[Path, typer.Option(help="Demo data folder.")]
Source = Annotated[bool, typer.Option("--source", help="Also count from an audit table of the demo's Control Plane.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")]


def demo(
    *, port: Port = None, folder: Folder = Path("demo-data"), fresh: Fresh = False, source: Source = False
) -> None:
    """Run a demo with sample data. It has its own License Server and two months of history.

    Only this machine can reach it. It resumes where it stopped.
    """
    from telemetry_service.cli.demo.folder import DemoFolder, DemoIncompleteError

    if find_spec("control_core_telemetry_reporter") is None:
        raise DemoIncompleteError
    from telemetry_service.cli.demo.run import Demo
    from telemetry_service.cli.server import until_stopped
    from telemetry_service.domain.clock import SystemClock

    resume_collection()
    with until_stopped():
        kept = DemoFolder(folder)
        with kept.taken(SystemClock().now(), fresh=fresh) as secrets, _listen(port) as listener:
            Demo(kept, secrets, listener, with_source=source).run()
    say("The demo has stopped.")


def _listen(port: int | None) -> socket.socket:
    """Listen on the requested port; without one, on the usual port or any free one."""
    from telemetry_service.cli.listening import PortInUseError, listen

    if port is not None:
        return listen(_LOOPBACK, port)
    try:
        return listen(_LOOPBACK, DEFAULT_PORT)
    except PortInUseError:
        say_on_stderr(f"Port {DEFAULT_PORT} is already in use; using a free one instead.")
        return listen(_LOOPBACK, 0)
