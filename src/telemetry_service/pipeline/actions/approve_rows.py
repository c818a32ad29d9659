"""Saving the settings approves what someone else has changed in the database: its rows are stamped as they are now."""

from collections.abc import Mapping
from datetime import datetime

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.fact_entries import license_as_said
from telemetry_service.domain.ledger import Value
from telemetry_service.pipeline.announcement import announce
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.storage.database import Transaction


def approve_rows(runtime: Runtime, tx: Transaction, now: datetime, known: Mapping[str, str]) -> None:
    """Stamp all rows. What someone has announced past the service is announced again, as of now.

    ``known`` are the numbers of stamps that the ledger says before anything was written.
    """
    for announced, stamped in tx.announced_schemas.stamped():
        if not runtime.signer.is_intact(stamped):
            tx.announced_schemas.remove(announced.schema_sha256)
    tx.stamps.renew_all(known)
    announce(runtime, tx, now)


def approved_rows(snapshot: Snapshot, changed: tuple[ChangedRow, ...]) -> dict[str, Value]:
    """Return what an entry says of the rows that were approved, as they are now."""
    if not changed:
        return {}
    state = snapshot.state
    return {
        "approves": ", ".join(row.value for row in changed),
        "instance_id": str(state.instance_id),
        "restored": state.restored_at is not None,
        "license": None if state.license is None else license_as_said(state.license.values),
    }
