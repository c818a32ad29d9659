"""``telemetry-service prove``: writes the exact bytes of an attempt to files, for others to verify."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.folders import write_private, written_into
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import say
from telemetry_service.domain.errors import NotFoundError

if TYPE_CHECKING:
    from telemetry_service.domain.transmissions import Attempt
    from telemetry_service.pipeline.queries.history import TransmissionDetail
    from telemetry_service.pipeline.queries.proof import Proof
    from telemetry_service.pipeline.snapshot import Snapshot

Identity = Annotated[UUID, typer.Argument(help="The transmission ID, as shown in the history.")]
Number = Annotated[int | None, typer.Option("--attempt", min=1, help="The attempt number. [default: the latest]")]
Folder = Annotated[Path | None, typer.Option(help="Output folder. [default: ./proof-<id>-<attempt>]")]


def prove(transmission_id: Identity, *, attempt: Number = None, folder: Folder = None) -> None:
    """Export the proof of an attempt. Writes its payload, body, headers, receipt and ledger entries to a folder.

    Works offline. Exits with 7 if anything about the transmission is not as it was signed.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.actions.note_reading import note_proof
        from telemetry_service.pipeline.queries import proof as queries
        from telemetry_service.pipeline.snapshot import open_snapshot

        with open_snapshot(service.runtime) as snapshot:
            detail = _read(snapshot, transmission_id)
            proof = queries.prove(snapshot, detail)
        tried = _chosen(detail.attempts, attempt, proof)
        target = folder or Path(f"proof-{transmission_id}-{tried.number}")
        # A folder must contain the proof of only one attempt.
        with written_into(target, empty=True):
            _write(target, proof, detail, tried)
        note_proof(service.runtime, command_actor(), transmission_id, tried.number, holds=proof.holds)
    _print(target, proof, detail, tried)
    if not proof.holds:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def _read(snapshot: "Snapshot", transmission_id: UUID) -> "TransmissionDetail":
    from telemetry_service.pipeline.queries.history import read_transmission

    try:
        return read_transmission(snapshot, transmission_id)
    except NotFoundError:
        message = "No transmission has this ID. List them with: telemetry-service history"
        raise NotFoundError(message) from None


def _chosen(attempts: "tuple[Attempt, ...]", number: int | None, proof: "Proof") -> "Attempt":
    found = [attempt for attempt in attempts if number in {None, attempt.number}]
    if found:
        return found[-1]
    message = "This transmission has no such attempt."
    if proof.holds:
        raise NotFoundError(message)
    _say_findings(proof)  # Its row may be gone, or belong to no transmission.
    say(f"{message} Nothing was written.")
    raise typer.Exit(ExitCode.NOT_VERIFIED)


def _say_findings(proof: "Proof") -> None:
    for finding in proof.findings:
        say(f"NOT VERIFIED. {finding.sentence}")


def _write(target: Path, proof: "Proof", detail: "TransmissionDetail", attempt: "Attempt") -> None:
    transmission = detail.transmission
    for name, content in (("payload.json", proof.payload_of(attempt)), ("body", proof.body_of(attempt))):
        if content is not None:
            write_private(target / name, content)
    if headers := proof.headers_of(attempt):
        lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
        write_private(target / "headers.txt", lines.encode())
    if transmission.receipt is not None:
        write_private(target / "receipt.jws", transmission.receipt.encode())
    write_private(target / "ledger.txt", "".join(f"{line}\n" for line in proof.lines).encode())
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
    write_private(target / "kept.json", f"{json.dumps(kept, indent=2)}\n".encode())


_WRITTEN = {
    True: "Its request was sent.",
    False: "Nothing was sent: the attempt ended first.",
    None: "Whether its request was sent is unknown: no response arrived.",
}


def _print(target: Path, proof: "Proof", detail: "TransmissionDetail", attempt: "Attempt") -> None:
    _say_findings(proof)
    if proof.holds:
        say(
            f"Verified: all rows and bytes match the {proof.entries} signed ledger entries about this transmission, and"
            " no entry is missing from the first of them to the end of the ledger."
            " Whether its latest entries were cut off, only an anchor shows."
        )
    if proof.taken_over:
        say("An earlier version without a ledger made it, so what happened before the upgrade is not proved.")
    if proof.body_of(attempt) is None:
        say("The bytes of its body were not kept by the version that sent it.")
    if detail.receipt_verified is not None:
        say("Its receipt is verified." if detail.receipt_verified else "It has no valid receipt.")
    say(_WRITTEN[attempt.request_written])
    say(f"Written to {target}. How to verify it without this program: docs/proof.md")
