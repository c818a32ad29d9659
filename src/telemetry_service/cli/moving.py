"""Moves an installation to another database: nothing is lost, nothing counts twice, and the ledger says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from telemetry_service.cli.open_service import command_actor, with_place
from telemetry_service.cli.whole_file import interrupted_by_sigterm
from telemetry_service.domain.errors import DatabaseNotEmptyError, ServiceRunningError, TelemetryError
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.restored import hold_restored
from telemetry_service.pipeline.head_file import write_head
from telemetry_service.pipeline.sealed_values import ALIVE
from telemetry_service.pipeline.stages.sweep import examine_everything
from telemetry_service.service import open_for_command
from telemetry_service.storage.in_use import file_of, kept_from_the_service
from telemetry_service.storage.migrate import migrate, schema_state
from telemetry_service.storage.moving import copy_everything
from telemetry_service.storage.restoring import JOURNALS

if TYPE_CHECKING:
    from telemetry_service.pipeline.runtime import Runtime
    from telemetry_service.settings import Settings
    from telemetry_service.storage.database import Transaction
    from telemetry_service.storage.moving import Counts


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows each table has in the new database, and what the verification of its ledger found."""

    rows: "Counts"
    problems: int


def move_database(settings: "Settings", source_url: str, target_url: str) -> Moved:
    """Copy everything, hold the former database, and verify the ledger in its new place.

    Raises:
        ServiceRunningError: the service uses the source.
        DatabaseNotEmptyError: the target holds something.
        DatabaseMissingError: there is no source, or it is empty.
        SchemaBehindError: the source was created by an older version; migrate it first.
        RowUnreadableError: a row cannot be read.
        StorageUnavailableError: a database cannot be used.
    """
    with interrupted_by_sigterm(), _stopped(source_url), _opened(settings, source_url) as source:
        _require_no_heartbeat(source)
        with _created(target_url):
            migrate(target_url)
            rows = copy_everything(source_url, target_url, source.signer, lambda tx: _note(source, tx))
            # If this fails, both could send: so the copy goes again, where it is a file.
            hold_restored(source, command_actor(), "moved", source.clock.now())
    with _opened(settings, target_url) as target:
        write_head(target)  # Over one that an earlier database may have left beside it.
        found = examine_everything(target)
    assert found is not None  # noqa: S101 - no one stops a command's runtime
    return Moved(rows, len(found.problems))


def _note(source: "Runtime", tx: "Transaction") -> None:
    said = {"from": source.database.kind, "to": tx.kind}
    tx.ledger.note(source.clock.now(), command_actor(), Kind.DATABASE_MOVED, said)


@contextmanager
def _stopped(url: str) -> Iterator[None]:
    """Let no service use a SQLite database within the block."""
    file = file_of(url)
    if file is None or not file.exists():
        yield
        return
    with kept_from_the_service(file):
        yield


def _require_no_heartbeat(source: "Runtime") -> None:
    """Refuse a database on a server that a service has used within the last two minutes and not left since."""
    with source.database.read() as tx:
        if tx.heartbeats.alive(source.clock.now() - ALIVE):
            raise ServiceRunningError


@contextmanager
def _opened(settings: "Settings", url: str) -> Iterator["Runtime"]:
    here = replace(settings, database_url=SecretStr(url))
    try:
        runtime = open_for_command(here).runtime
    except TelemetryError as error:
        raise with_place(error, here) from None
    try:
        yield runtime
    finally:
        runtime.database.close()


@contextmanager
def _created(target_url: str) -> Iterator[None]:
    """Require that the target is empty, and remove its file again if the block fails."""
    file = file_of(target_url)
    if file is None:
        if schema_state(target_url).present is not None:
            raise DatabaseNotEmptyError
        yield
        return
    if os.path.lexists(file) and file.stat().st_size:
        raise DatabaseNotEmptyError
    try:
        yield
    except BaseException:
        _remove(file)
        raise


def _remove(file: Path) -> None:
    for suffix in ("", *JOURNALS):
        with suppress(OSError):
            file.with_name(file.name + suffix).unlink()
