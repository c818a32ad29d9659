"""Restores a backup of a SQLite database: verified, held until it is known what was sent since, then put in place."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from telemetry_service.cli.new_file import FileRefusedError
from telemetry_service.cli.open_service import command_actor
from telemetry_service.cli.whole_file import interrupted_by_sigterm
from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.errors import DatabaseMissingError, NotABackupError
from telemetry_service.pipeline.actions.restored import hold_restored
from telemetry_service.pipeline.head_file import write_head_of_no_ledger
from telemetry_service.service import head_file_of, open_for_command
from telemetry_service.storage.backup import require_finished
from telemetry_service.storage.in_use import kept_from_the_service
from telemetry_service.storage.restoring import candidate, put_in_place

if TYPE_CHECKING:
    from datetime import datetime

    from telemetry_service.settings import Settings
    from telemetry_service.storage.restoring import Candidate


@dataclass(frozen=True, slots=True)
class Restored:
    """The database that was restored, and the name under which the former one is kept, if there was one."""

    database: Path
    revision: str
    current: bool
    kept: Path | None


def restore_sqlite(settings: "Settings", backup: Path, database: Path) -> Restored:
    """Put a backup in the place of the database. Whatever fails, the former one is still there.

    Raises:
        ServiceRunningError: the service uses the database.
        NotABackupError: the file is no complete database of this service.
        SchemaTooNewError: it was made by a newer version.
        StorageUnavailableError: a file cannot be read, written or moved.
        FileRefusedError: the file that tells the next start cannot be written.
    """
    now = SystemClock().now()
    require_finished(backup)  # Before a folder is created for it.
    with interrupted_by_sigterm(), kept_from_the_service(database), candidate(backup, database) as found:
        if found.schema.current:
            _hold(settings, found, now)
        else:
            _tell_the_next_start(settings)
        kept = put_in_place(found, database, now)
    return Restored(database, str(found.schema.present), found.schema.current, kept)


def _hold(settings: "Settings", found: "Candidate", now: "datetime") -> None:
    """Hold the copy before it has its place, so that at no moment anything can be sent from it."""
    try:
        service = open_for_command(replace(settings, database_url=SecretStr(found.url)))
    except DatabaseMissingError:  # A schema without an installation: it was never started.
        raise NotABackupError from None
    try:
        hold_restored(service.runtime, command_actor(), "command", now)
    finally:
        service.runtime.database.close()


def _tell_the_next_start(settings: "Settings") -> None:
    """Let the start that migrates the database hold it: nothing else uses it before."""
    head_file = head_file_of(settings)
    assert head_file is not None  # noqa: S101 - a SQLite database has one
    try:
        write_head_of_no_ledger(head_file)
    except OSError:
        message = f"{head_file} cannot be written, so the next start would not know of the restore."
        raise FileRefusedError(message) from None
