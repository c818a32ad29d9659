"""``telemetry-service bundle``: waiting payloads as a file to carry to the License Server, and its receipts."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from telemetry_service.cli.new_file import FileRefusedError, created
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_as
from telemetry_service.domain.errors import TelemetryError

if TYPE_CHECKING:
    from telemetry_service.domain.receipts_file import ImportReport

BundleFile = Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]
Receipts = Annotated[Path, typer.Argument(help="The file of receipts that the License Server made.")]


class FileUnreadableError(TelemetryError):
    """The file is not there, or may not be read."""

    code = "file-unreadable"
    sentence = "This file cannot be read."


def export(file: BundleFile) -> None:
    """Write waiting payloads into a bundle file, and say what is in it.

    Each one counts as an attempt. A summary to read is written beside the file, with the ending .txt.
    """
    with opened_service() as service, created(file) as bundle_file, created(file.with_name(f"{file.name}.txt")) as text:
        from telemetry_service.pipeline.actions.export_bundle import export_bundle
        from telemetry_service.pipeline.actions.restored import notice_restored

        notice_restored(service.runtime, actor=command_actor())
        bundle = export_bundle(service.runtime, command_actor())
        _write(bundle_file, bundle.content)
        _write(text, bundle.summary.encode())
    say(bundle.summary.rstrip())


def take_receipts(file: Receipts, *, as_json: AsJson = False) -> None:
    """Import the receipts of a bundle, or a part of them. Safe to repeat."""
    from telemetry_service.domain.receipts_file import FILE_BYTES, read_receipts_file

    with opened_service() as service:
        from telemetry_service.pipeline.actions.import_receipts import import_receipts

        receipts = read_receipts_file(_content(file, FILE_BYTES + 1))
        report = import_receipts(service.runtime, receipts, command_actor())
    if as_json:
        from telemetry_service.schemas.bundles import ImportResponse

        say_as(ImportResponse, report)
    else:
        _print(report)


def _content(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError:
        message = f"{file} cannot be read."
        raise FileUnreadableError(message) from None


def _write(opened: BinaryIO, content: bytes) -> None:
    try:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    except OSError:
        message = "The bundle could not be written. Nothing is lost; export it again into another file."
        raise FileRefusedError(message) from None


def _print(report: "ImportReport") -> None:
    for token in report.tokens:
        say(f"{token.transmission_id or 'unknown'}: {token.sentence} ({token.result.value})")
    say(
        f"Accepted: {report.accepted}. Refused: {report.refused}. Known already: {report.known}."
        f" Ignored: {report.ignored}."
    )
