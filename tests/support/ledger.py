"""Reads the ledger of a database as people do."""

from telemetry_service.pipeline.ledger_signer import LedgerSigner
from telemetry_service.pipeline.queries.activity import Activity, read_entries
from telemetry_service.sealing.keyring import KeyRing
from telemetry_service.storage.database import Database
from telemetry_service.storage.ledger import each_line

KEY = b"k" * 32


def signed_database(database_url: str) -> Database:
    """Return a database that can write its ledger, without a service around it."""
    return Database(database_url, LedgerSigner(KeyRing((KEY,))))


def entries(database: Database) -> list[Activity]:
    """Return all entries, oldest first, but for those about keys."""
    with database.read() as tx:
        found = read_entries(tx, list(each_line(tx.ledger)))
    return [entry for entry in found if entry.kind != "ledger_key"]
