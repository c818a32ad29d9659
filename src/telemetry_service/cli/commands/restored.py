"""``telemetry-service restored``: says whether the database is a restored copy, and what was sent since."""

from typing import Annotated

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import say
from telemetry_service.domain.ledger import ANCHOR_PATTERN
from telemetry_service.domain.periods import OpenPeriod

_QUESTION = (
    "This database was restored from a backup, so nothing is sent until you say what was sent since. If a payload with"
    " the counts of the current period was sent after the backup, run: telemetry-service restored --open-period sent."
    " This period then ends without being sent. If nothing was sent since, use unsent. What reporters sent after the"
    " backup is missing here. If they are to report it again, let them do so before you say sent: it then ends with"
    " this period. Reported later, it is sent again. Payloads that wait and may have arrived are sent again under their"
    " IDs; every other one has to be released, because it may have been withdrawn or prepared again after the backup."
)
_WAITING = (
    "Payloads that wait for their release, because they may have been withdrawn or prepared again after the backup: {}."
    " Run telemetry-service release or withdraw for each; telemetry-service history lists them."
)

Answer = Annotated[
    OpenPeriod | None,
    typer.Option("--open-period", help="Whether the counts of the current period were sent after the backup."),
]
Anchor = Annotated[
    str | None,
    typer.Option("--anchor", metavar="HASH|SEQ:HASH", help="An entry of the ledger that you kept elsewhere."),
]
Hold = Annotated[bool, typer.Option("--hold", help="This database was just restored with other programs.")]


def restored(*, open_period: Answer = None, anchor: Anchor = None, hold: Hold = False) -> None:
    """Say whether this database was restored from a backup, or record what was sent since.

    A restored database sends nothing until then. Without options, exits with 6 while that is not known. With --anchor,
    a database that lacks this entry counts as restored, and with --hold it does in any case: run it after a restore
    with other programs than the command restore, before the service starts.
    """
    import re

    if anchor is not None and not re.fullmatch(ANCHOR_PATTERN, anchor):
        message = "must be HASH or SEQ:HASH, and HASH has 64 hex digits in lower case."
        raise typer.BadParameter(message, param_hint="--anchor")
    waiting = 0
    with opened_service() as service:
        from telemetry_service.pipeline.actions.restored import answer_restored, hold_restored, notice_restored

        if hold:
            hold_restored(service.runtime, command_actor(), "command", service.runtime.clock.now())
        held = notice_restored(service.runtime, anchor, command_actor())
        if open_period is not None:
            waiting = answer_restored(service.runtime, open_period, command_actor())
            held = False
    if held:
        say(_QUESTION)
        raise typer.Exit(ExitCode.NOT_READY)
    say("This database is not held after a restore.")
    if waiting:
        say(_WAITING.format(waiting))
