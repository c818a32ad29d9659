"""The database: reachable, current, over an encrypted connection, whole, and writable."""

import os
from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, failed
from telemetry_service.cli.open_service import SQLITE, with_place
from telemetry_service.domain.errors import DatabaseMissingError, StorageLoginError, TelemetryError

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject
    from telemetry_service.settings import Settings
    from telemetry_service.storage.link import Link
    from telemetry_service.storage.migrate import SchemaState


def database_findings(settings: "Settings") -> list[Finding]:
    """Return whether the database can be used, first, and then what else is known of it."""
    from telemetry_service.storage.migrate import schema_state

    url = settings.database_url.get_secret_value()
    if url.startswith(SQLITE) and not os.path.lexists(url.removeprefix(SQLITE)):
        return [failed("database", with_place(DatabaseMissingError(), settings))]
    try:
        state = schema_state(url)
    except TelemetryError as error:
        return [failed("database", error)]
    return [_schema(settings, state), encryption_of(state.link)]


def encryption_of(link: "Link | None") -> Finding:
    """Return whether the connection to the database is encrypted."""
    if link is None:
        return Finding("encryption", Result.SKIPPED, "The database is a local file, so no data crosses a network.")
    if link.verified:
        return Finding("encryption", Result.OK, "The database connection is encrypted, and the server is verified.")
    if not link.leaves_this_machine:
        encrypted = "encrypted" if link.encrypted else "not encrypted"
        sentence = f"The database connection is {encrypted} and stays on this machine."
        return Finding("encryption", Result.OK, sentence)
    missing = "does not verify the server" if link.encrypted else "is not encrypted"
    sentence = f"The database connection {missing}. Add sslmode=verify-full to TELEMETRY_DATABASE_URL."
    return Finding("encryption", Result.WARNING, sentence)


def integrity(subject: "Subject") -> Finding:
    """Return whether the pages of the database are whole."""
    verified = subject.service.runtime.database.check_pages()
    if verified is None:
        sentence = "This PostgreSQL server keeps no checksums of its pages, so damage would not be noticed."
        return Finding("integrity", Result.SKIPPED, sentence)
    if subject.service.runtime.database.kind == "sqlite":
        return Finding("integrity", Result.OK, "Every page of the database was checked.")
    return Finding("integrity", Result.OK, "PostgreSQL verifies the checksums of its pages.")


def writing(subject: "Subject") -> Finding:
    """Return whether something can be written; it is rolled back."""
    subject.service.runtime.database.try_writing()
    return Finding("writing", Result.OK, "The database is writable.")


def _schema(settings: "Settings", state: "SchemaState") -> Finding:
    from telemetry_service.storage.migrate import refuse_unless_current

    try:
        if not state.may_migrate and not state.too_new and not state.missing:
            raise StorageLoginError
        refuse_unless_current(state)
    except TelemetryError as error:
        return failed("database", with_place(error, settings))
    return Finding("database", Result.OK, f"The database is reachable; its schema is at revision {state.present}.")
