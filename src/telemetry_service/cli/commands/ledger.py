"""``telemetry-service ledger``: verifies and exports the ledger, shows its keys, and renews the one that signs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.new_file import created
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_as
from telemetry_service.domain.ledger import ANCHOR_PATTERN

if TYPE_CHECKING:
    from telemetry_service.pipeline.queries.ledger import LedgerKeys, PublicKey
    from telemetry_service.pipeline.stages.check_ledger import LedgerReport


def _checked(anchors: list[str] | None) -> list[str]:
    for anchor in anchors or ():
        if not re.fullmatch(ANCHOR_PATTERN, anchor):
            message = "an anchor is HASH or SEQ:HASH, and HASH has 64 hex digits in lower case."
            raise typer.BadParameter(message)
    return anchors or []


Anchors = Annotated[
    list[str] | None,
    typer.Option(
        "--anchor",
        callback=_checked,
        metavar="HASH|SEQ:HASH",
        help="The digest of an entry that you kept elsewhere; repeat for several.",
    ),
]
Persons = Annotated[
    bool,
    typer.Option("--persons", help="Include persons, addresses, customer IDs, extension codes, and reasons."),
]
Target = Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write. It must not exist yet.")]


def verify(*, anchor: Anchors = None, as_json: AsJson = False) -> None:
    """Verify the whole ledger now, and name each bad entry.

    Without an anchor, a ledger whose latest entries are missing, as in an old backup, cannot be recognized. Exits with
    7 if anything is not as it was signed.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.stages.check_ledger import check_ledger

        report = check_ledger(service.runtime, anchor or ())
    if as_json:
        from telemetry_service.schemas.ledger import LedgerReportResponse

        say_as(LedgerReportResponse, report)
    else:
        for line in _described(report):
            say(line)
    if not report.verified:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def export(target: Target, *, persons: Persons = False) -> None:
    """Write the ledger, its evidence, the public keys, and the verifier to a zip file."""
    with opened_service() as service:
        from telemetry_service.pipeline.actions.export_ledger import export_ledger

        with created(target) as file:
            file.writelines(export_ledger(service.runtime, command_actor(), persons=persons))
    say(f"Written to {target}. Its README.txt says how to verify it, and what not to trust.")


def key(*, as_json: AsJson = False) -> None:
    """Show the public key of the ledger with its fingerprint, and the earlier ones."""
    with opened_service() as service:
        from telemetry_service.pipeline.queries.ledger import read_ledger_keys
        from telemetry_service.pipeline.snapshot import read_now

        keys = read_now(service.runtime, read_ledger_keys)
    _say_keys(keys, as_json=as_json)


def rotate_key(*, as_json: AsJson = False) -> None:
    """Let a new key sign the ledger from here on; the old one announces it.

    All keys of the ledger are then sealed under the newest ENCRYPTION_KEY, so an older one can be removed.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.actions.rotate_ledger_key import rotate_ledger_key

        keys = rotate_ledger_key(service.runtime, command_actor())
    _say_keys(keys, as_json=as_json)


def _described(report: "LedgerReport") -> Iterator[str]:
    if report.head:
        yield f"The last entry is {report.head.seq}, and the digest of its line is {report.head.sha256}."
    yield from (f"{name.capitalize()}: {count}" for name, count in report.checked.items())
    yield from report.not_checked
    yield from (f"Note: {note.sentence}" for note in report.notes)
    yield from (f"NOT VERIFIED. {problem.sentence} ({problem.code})" for problem in report.problems)
    at = moment(report.checked_at)
    yield f"Verified at {at}." if report.verified else f"Not verified at {at}. Problems: {len(report.problems)}."


def _say_keys(keys: "LedgerKeys", *, as_json: bool) -> None:
    if as_json:
        from telemetry_service.schemas.ledger import LedgerKeysResponse

        say_as(LedgerKeysResponse, keys)
        return
    if keys.present is None:
        say("The present key of the ledger cannot be opened with ENCRYPTION_KEY.")
    for name, found in (("Present", keys.present), *(("Earlier", earlier) for earlier in keys.earlier)):
        if found is not None:
            _say_key(name, found)


def _say_key(name: str, found: "PublicKey") -> None:
    say(f"{name} key {found.key_id}")
    say(f"  public key   {found.public_key}")
    say(f"  fingerprint  {found.fingerprint}")
