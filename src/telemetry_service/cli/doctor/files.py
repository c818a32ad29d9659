"""The files beside a SQLite database: for this user alone, and writable for it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result
from telemetry_service.cli.open_service import SQLITE

if TYPE_CHECKING:
    from telemetry_service.settings import Settings


def closed_to_others(settings: "Settings") -> Finding:
    """Return whether only this user can use the database, and this user can keep the head of the ledger."""
    from telemetry_service.storage.private_files import open_to_others

    url = settings.database_url.get_secret_value()
    if settings.ledger_head_file is not None and not os.access(settings.ledger_head_file.parent, os.W_OK):
        sentence = (
            "TELEMETRY_LEDGER_HEAD_FILE is in a folder that this user may not write, so a restored backup is not"
            " noticed. Give the service's account write access."
        )
        return Finding("files", Result.WARNING, sentence)
    if not url.startswith(SQLITE):
        return Finding("files", Result.SKIPPED, "The database is not a file of this machine.")
    found = open_to_others(Path(url.removeprefix(SQLITE)))
    if not found:
        return Finding("files", Result.OK, "No other user can read the database.")
    named = " ".join(str(file.absolute()) for file in found)
    sentence = f"Other users of this machine can read or write the database. Run: chmod go= {named}"
    return Finding("files", Result.WARNING, sentence)
