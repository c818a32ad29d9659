"""Saving the settings approves what someone else has changed in the database: its rows are stamped as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.fact_entries import license_as_said
from telemetry_service.domain.ledger import Value
from telemetry_service.pipeline.announcement import announce
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.stamps import Stamped


@dataclass(frozen=True, slots=True)
class Before:
    """What the rows were before a save that approves them has written anything."""

    rows: tuple[Stamped, ...]
    numbers: Mapping[str, str]
    """What the ledger says of their stamps, by their names."""


def approve_rows(runtime: Runtime, tx: Transaction, now: datetime, before: Before) -> None:
    """Stamp all rows. What someone has announced past the service is announced again, as of now."""
    removed = set[str]()
    for announced, stamped in tx.announced_schemas.stamped():
        if not runtime.signer.is_intact(stamped):
            tx.announced_schemas.remove(announced.schema_sha256)
            removed.add(stamped.name)
    # If a trigger has kept one of them, it is a row that no one has seen before.
    tx.stamps.renew_all(before.numbers, (it for it in before.rows if it.name not in removed))
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
