"""How the command line tells what came of a transmission."""

from typing import TYPE_CHECKING

import typer

from telemetry_service.cli.exits import ExitCode
from telemetry_service.cli.output import moment, say
from telemetry_service.domain.outcome import EXPLANATIONS
from telemetry_service.domain.transmissions import State, Transmission

if TYPE_CHECKING:
    from datetime import datetime

    from telemetry_service.pipeline.history import TransmissionDetail


def conclude(detail: "TransmissionDetail", now: "datetime", *, as_json: bool) -> None:
    """Say what came of a transmission, and exit accordingly."""
    if as_json:
        from telemetry_service.web.api.answers_transmissions import TransmissionDetailAnswer

        say(TransmissionDetailAnswer.of_detail(detail, now).model_dump_json(indent=2))
    else:
        _tell(detail.transmission, sent=any(a.request_written is not False for a in detail.attempts))
    if detail.transmission.state is not State.SUCCESS:
        raise typer.Exit(ExitCode.NOT_DELIVERED)


def _tell(transmission: Transmission, *, sent: bool) -> None:
    say(f"Transmission {transmission.transmission_id}: {transmission.status.value}.")
    records = (
        f"Records sent: {transmission.records_sent}."
        if sent
        else f"Records to send: {transmission.records_sent}; nothing was sent."
    )
    say(f"{records} Response code: {transmission.response_code or 'none'}.")
    if transmission.receipt_verified is not None:
        say("Its receipt is verified." if transmission.receipt_verified else "It has no valid receipt: unverified.")
    if transmission.cause is not None:
        explanation = EXPLANATIONS[transmission.cause]
        say(f"{explanation.sentence} {explanation.next_step} ({transmission.cause.value})")
    if transmission.next_attempt_at is not None:
        say(f"It is tried again at {moment(transmission.next_attempt_at)}.")
