"""``telemetry-service doctor``."""

from dataclasses import asdict
from typing import Annotated

import typer

from telemetry_service.cli.commands.serve import DEFAULT_PORT
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.output import AsJson, say, say_json, say_on_stderr

Liveness = Annotated[bool, typer.Option("--liveness", help="Only check whether the local service responds.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The local port that --liveness checks.")]
Host = Annotated[
    str | None,
    typer.Option(help="The address that --liveness checks. [default: the one the service listens on]"),
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not contact the License Server.")]


def doctor(
    *,
    liveness: Liveness = False,
    host: Host = None,
    port: Port = DEFAULT_PORT,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Check the installation. Covers settings, keys, database, disk, clock, and (while telemetry is on) the connection.

    It changes nothing. Exits with the code of the worst problem.
    """
    if liveness:
        _ask_liveness(host, port, as_json=as_json)
        return
    from telemetry_service.cli.doctor.examine import examine
    from telemetry_service.cli.doctor.finding import worst

    findings = examine(offline=offline)
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.result.value:7} {finding.check:15} {finding.sentence}")
    raise typer.Exit(worst(findings))


def _ask_liveness(host: str | None, port: int, *, as_json: bool) -> None:
    from telemetry_service.cli.liveness import is_alive

    alive = is_alive(port, host)
    if as_json:
        say_json({"alive": alive})
    if not alive:
        say_on_stderr(f"Nothing responds on local port {port}.")
        raise typer.Exit(ExitCode.FAILED)
