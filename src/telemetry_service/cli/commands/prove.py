"""``telemetry-service prove``: writes down, byte for byte, what an attempt prepared, for others to verify."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.folders import written_into
from telemetry_service.cli.open_service import opened_service
from telemetry_service.cli.output import say
from telemetry_service.domain.errors import NotFoundError

if TYPE_CHECKING:
    from telemetry_service.app import Service
    from telemetry_service.domain.message import SealedMessage
    from telemetry_service.domain.transmissions import Attempt, Transmission
    from telemetry_service.pipeline.queries.history import TransmissionDetail
    from telemetry_service.pipeline.queries.proof import Proof

Identity = Annotated[UUID, typer.Argument(help="The id of the transmission, as the history shows it.")]
Number = Annotated[int | None, typer.Option("--attempt", min=1, help="Which attempt. [default: the last one]")]
Folder = Annotated[Path | None, typer.Option(help="Where to write. [default: ./proof-<id>-<attempt>]")]


def prove(transmission_id: Identity, *, attempt: Number = None, folder: Folder = None) -> None:
    """Write what an attempt prepared into a folder: payload, body, headers and receipt. Contacts nobody.

    Exits with 1 if the bytes are not those whose digest was kept before the attempt.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.queries import proof as queries

        detail = _read(service, transmission_id)
        tried = _chosen(detail.attempts, attempt)
        proof = queries.prove(service.runtime, detail.transmission, tried)
    target = folder or Path(f"proof-{transmission_id}-{tried.number}")
    # What is proved in a folder must be of one attempt.
    with written_into(target, empty=True):
        _write(target, proof, detail.transmission, tried)
    _tell(target, proof, tried.request_written)
    if not proof.payload_matches or proof.body_matches is False:
        raise typer.Exit(ExitCode.FAILED)


def _read(service: "Service", transmission_id: UUID) -> "TransmissionDetail":
    from telemetry_service.pipeline.queries.history import read_transmission

    try:
        return read_transmission(service.runtime, transmission_id)
    except NotFoundError:
        message = "There is no transmission of this id; telemetry-service history lists them."
        raise NotFoundError(message) from None


def _chosen(attempts: "tuple[Attempt, ...]", number: int | None) -> "Attempt":
    found = [attempt for attempt in attempts if number in {None, attempt.number}]
    if not found:
        message = "There is no such attempt."
        raise NotFoundError(message)
    return found[-1]


def _write(target: Path, proof: "Proof", transmission: "Transmission", attempt: "Attempt") -> None:
    (target / "payload.json").write_bytes(proof.payload)
    if proof.body is not None:
        (target / "body").write_bytes(proof.body)
    if proof.message is not None:
        (target / "headers.txt").write_text(_headers(proof.message))
    if transmission.receipt is not None:
        (target / "receipt.jws").write_text(transmission.receipt)
    kept = {
        "transmission_id": str(transmission.transmission_id),
        "attempt": attempt.number,
        "timestamp": attempt.timestamp,
        "key_id": attempt.key_id,
        "payload_sha256": attempt.payload_sha256,
        "body_sha256": attempt.body_sha256,
        "body_bytes": attempt.body_bytes,
        "encrypted": attempt.encrypted,
        "request_written": attempt.request_written,
    }
    (target / "kept.json").write_text(json.dumps(kept, indent=2) + "\n")


def _headers(message: "SealedMessage") -> str:
    named = {
        "Content-Type": message.content_type,
        "X-Telemetry-Id": message.transmission_id,
        "X-Telemetry-Timestamp": message.timestamp,
        "X-Telemetry-Signature": message.signature,
        "X-Telemetry-Key-Id": message.key_id,
    }
    return "".join(f"{name}: {value}\n" for name, value in named.items())


_WRITTEN = {
    True: "Its request was sent.",
    False: "Nothing of it was sent: the attempt ended before that.",
    None: "Whether its request was sent is not known: no answer came.",
}


def _tell(target: Path, proof: "Proof", written: bool | None) -> None:  # noqa: FBT001 - a plain fact
    verdicts = {True: "is the one that was kept before the attempt", False: "IS NOT the one that was kept"}
    say(f"The digest of payload.json {verdicts[proof.payload_matches]}.")
    if proof.body_matches is not None:
        say(f"The digest of body {verdicts[proof.body_matches]}.")
    if proof.message is None:
        say("The API key that sealed it has been replaced, so what depends on it cannot be made again.")
    say(_WRITTEN[written])
    say(f"Written to {target}. How to verify it without this program: docs/proof.md")
