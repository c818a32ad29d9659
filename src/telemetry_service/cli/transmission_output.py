"""How the command line reports the outcome of a transmission."""

from typing import TYPE_CHECKING

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.output import moment, say, say_as
from telemetry_service.domain.transmissions import State

if TYPE_CHECKING:
    from telemetry_service.pipeline.queries.history import TransmissionDetail


def say_transmission(detail: "TransmissionDetail", *, as_json: bool) -> None:
    """Write the outcome of a transmission, and exit accordingly."""
    if as_json:
        from telemetry_service.schemas.transmissions import TransmissionDetailResponse

        say_as(TransmissionDetailResponse, detail)
    else:
        _print(detail)
    if detail.waits_to_leave:
        raise typer.Exit(ExitCode.NOT_READY)
    if detail.transmission.state is not State.SUCCESS:
        withdrawn = detail.transmission.state is State.WITHDRAWN
        raise typer.Exit(ExitCode.DONE if withdrawn else ExitCode.NOT_DELIVERED)


def _print(detail: "TransmissionDetail") -> None:
    transmission, words = detail.transmission, detail.texts
    sent = any(attempt.request_written is not False for attempt in detail.attempts)
    say(f"Transmission {transmission.transmission_id}: {transmission.status.value} ({transmission.state.value}).")
    records = (
        f"Records sent: {transmission.records_sent}."
        if sent
        else f"Records to send: {transmission.records_sent}; nothing was sent."
    )
    say(f"{records} Response code: {transmission.response_code or 'none'}.")
    if detail.receipt_verified is not None:
        say("Its receipt is verified." if detail.receipt_verified else "It has no valid receipt (unverified).")
    if words.cause is not None:
        say(f"{words.cause.sentence} {words.cause.next_step} ({words.cause.code.value})")
    if words.next_attempt_at is not None:
        say(f"Next attempt: {moment(words.next_attempt_at)}.")
    if words.next_attempt_note is not None:
        say(f"Next attempt: {words.next_attempt_note}")
