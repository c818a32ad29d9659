"""``telemetry-service prove``: writes the exact bytes of an attempt to files, for others to verify."""

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
    from telemetry_service.domain.message import SealedMessage
    from telemetry_service.domain.transmissions import Attempt, Transmission
    from telemetry_service.pipeline.queries.history import TransmissionDetail
    from telemetry_service.pipeline.queries.proof import Proof
    from telemetry_service.pipeline.snapshot import Snapshot

Identity = Annotated[UUID, typer.Argument(help="The transmission ID, as shown in the history.")]
Number = Annotated[int | None, typer.Option("--attempt", min=1, help="The attempt number. [default: the latest]")]
Folder = Annotated[Path | None, typer.Option(help="Output folder. [default: ./proof-<id>-<attempt>]")]


def prove(transmission_id: Identity, *, attempt: Number = None, folder: Folder = None) -> None:
    """Export the proof of an attempt. Writes its payload, body, headers, and receipt to a folder. Works offline.

    Exits with 1 if the bytes do not match the digest recorded before the attempt.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.queries import proof as queries
        from telemetry_service.pipeline.snapshot import open_snapshot

        with open_snapshot(service.runtime) as snapshot:
            detail = _read(snapshot, transmission_id)
            tried = _chosen(detail.attempts, attempt)
            proof = queries.prove(snapshot, detail.transmission, tried)
    target = folder or Path(f"proof-{transmission_id}-{tried.number}")
    # A folder must contain the proof of only one attempt.
    with written_into(target, empty=True):
        _write(target, proof, detail.transmission, tried)
    _print(target, proof, tried.request_written)
    if not proof.payload_matches or proof.body_matches is False:
        raise typer.Exit(ExitCode.FAILED)


def _read(snapshot: "Snapshot", transmission_id: UUID) -> "TransmissionDetail":
    from telemetry_service.pipeline.queries.history import read_transmission

    try:
        return read_transmission(snapshot, transmission_id)
    except NotFoundError:
        message = "No transmission has this ID. List them with: telemetry-service history"
        raise NotFoundError(message) from None


def _chosen(attempts: "tuple[Attempt, ...]", number: int | None) -> "Attempt":
    found = [attempt for attempt in attempts if number in {None, attempt.number}]
    if not found:
        message = "This transmission has no such attempt."
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
    False: "Nothing was sent: the attempt ended first.",
    None: "Whether its request was sent is unknown: no response arrived.",
}


def _print(target: Path, proof: "Proof", written: bool | None) -> None:  # noqa: FBT001 - a plain fact
    verdicts = {
        True: "matches the one recorded before the attempt",
        False: ("DOES NOT MATCH the one recorded before the attempt"),
    }
    say(f"The digest of payload.json {verdicts[proof.payload_matches]}.")
    if proof.body_matches is not None:
        say(f"The digest of body {verdicts[proof.body_matches]}.")
    if proof.message is None:
        say("The API key it was sealed with has been replaced, so the sealed body cannot be reproduced.")
    say(_WRITTEN[written])
    say(f"Written to {target}. How to verify it without this program: docs/proof.md")
