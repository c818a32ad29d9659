"""The space on the disk of the database: what is free, and what the next 30 days need at the present rate."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.open_service import SQLITE

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject
    from telemetry_service.settings import Settings

_MIB = 1024 * 1024
_FREE_BYTES = 200 * _MIB
"""Below this a busy installation fills the disk within days."""

_MEASURED = timedelta(days=7)
_AHEAD = timedelta(days=30)


def free_space(settings: "Settings") -> Finding:
    """Return whether the disk of a SQLite database has room now."""
    free = _free(settings)
    if free is None:
        return Finding("disk", Result.SKIPPED, "The database runs on a separate server.")
    sentence = f"{free // _MIB} MiB are free on the database disk."
    if free < _FREE_BYTES:
        return wrong("disk", sentence + " Free some space.", ExitCode.STORAGE)
    return Finding("disk", Result.OK, sentence)


def growth(subject: "Subject") -> Finding:
    """Return whether the disk has room for the next 30 days, if they are like the last 7.

    The purge may delete as much meanwhile, so this is the most that is needed.
    """
    with subject.service.runtime.database.read() as tx:
        written = tx.growth.bytes_since(subject.now - _MEASURED)
    needed = int(written * (_AHEAD / _MEASURED))
    sentence = f"At the rate of the last 7 days, the database grows by at most {needed // _MIB} MiB in 30 days."
    free = _free(subject.settings)
    if free is not None and free < needed:
        return Finding("growth", Result.WARNING, f"{sentence} Only {free // _MIB} MiB are free: free some space.")
    return Finding("growth", Result.OK, sentence)


def _free(settings: "Settings") -> int | None:
    """Return the free bytes on the disk of a SQLite database; None for one on a server."""
    url = settings.database_url.get_secret_value()
    if not url.startswith(SQLITE):
        return None
    folder = Path(url.removeprefix(SQLITE)).absolute().parent
    # Not Path.exists, which raises if a parent folder may not be read.
    while not os.path.exists(folder):  # noqa: PTH110
        folder = folder.parent
    return shutil.disk_usage(folder).free
