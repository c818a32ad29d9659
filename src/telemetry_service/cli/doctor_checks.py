"""The checks of the doctor. They are independent, so that one problem does not hide the next."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry_service.cli.exit_codes import ExitCode, exit_code_of
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.open_service import SQLITE, read_settings, with_place
from telemetry_service.cli.output import moment
from telemetry_service.domain.clock import Clock, SystemClock
from telemetry_service.domain.errors import (
    DatabaseMissingError,
    IssuerUnavailableError,
    SettingsError,
    StorageLoginError,
    TelemetryError,
)
from telemetry_service.domain.owner import Owner

if TYPE_CHECKING:
    from telemetry_service.domain.verification import Verification
    from telemetry_service.service import OpenService
    from telemetry_service.settings import Settings
    from telemetry_service.storage.link import Link
    from telemetry_service.storage.migrate import SchemaState

_FREE_BYTES = 200 * 1024 * 1024
"""Below this a busy installation fills the disk within days."""

_NAMED_PROBLEMS = 5

_RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""A correct clock cannot show a time before the first release of this service."""


class Result(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check in a sentence; ``exit_code`` is 0 unless something is wrong."""

    check: str
    result: Result
    sentence: str
    exit_code: ExitCode = ExitCode.DONE


def examine(*, offline: bool, clock: Clock | None = None) -> list[Finding]:
    """Check everything that can be checked."""
    try:
        settings = read_settings()
    except SettingsError as error:
        return [_wrong("settings", problem, ExitCode.SETTINGS) for problem in error.problems]
    findings = [Finding("settings", Result.OK, "All settings are valid."), _ephemeral(settings), _cookies(settings)]
    findings += [_host(settings), _disk(settings), _files(settings)]
    about_the_database = _database(settings)
    findings += about_the_database
    if about_the_database[0].result is Result.OK:
        findings += _inside(settings, clock or SystemClock(), offline=offline)
    return findings


def _ephemeral(settings: "Settings") -> Finding:
    if settings.ephemeral_keys:
        return Finding("keys", Result.WARNING, "DEMO_MODE: the keys are discarded when the process ends.")
    return Finding("keys", Result.OK, "ENCRYPTION_KEY and CREDENTIAL_ENCRYPTION_KEY are set.")


def _cookies(settings: "Settings") -> Finding:
    public = settings.public_url
    if public is not None and public.secure:
        return Finding("cookies", Result.OK, "Session cookies are marked Secure, because the public URL is https.")
    if settings.trusted_proxies:
        return Finding("cookies", Result.OK, "Session cookies are marked Secure when a trusted proxy reports HTTPS.")
    sentence = (
        "TELEMETRY_TRUSTED_PROXIES is not set: unless serve runs with --trusted-proxy, session cookies are sent"
        " without Secure. Set it to the address of the proxy that terminates TLS."
    )
    return Finding("cookies", Result.WARNING, sentence)


def _host(settings: "Settings") -> Finding:
    if settings.public_url is not None:
        return Finding("host", Result.OK, "Pages are served only under the host of TELEMETRY_PUBLIC_URL.")
    sentence = (
        "TELEMETRY_PUBLIC_URL is not set: pages are served under addresses, private names, and any name with TLS. Set"
        " it to the address that users open."
    )
    return Finding("host", Result.WARNING, sentence)


def _disk(settings: "Settings") -> Finding:
    url = settings.database_url.get_secret_value()
    if not url.startswith(SQLITE):
        return Finding("disk", Result.SKIPPED, "The database runs on a separate server.")
    folder = Path(url.removeprefix(SQLITE)).absolute().parent
    # Not Path.exists, which raises if a parent folder may not be read.
    while not os.path.exists(folder):  # noqa: PTH110
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    sentence = f"{free // (1024 * 1024)} MiB are free on the database disk."
    if free < _FREE_BYTES:
        return _wrong("disk", sentence + " Free some space.", ExitCode.STORAGE)
    return Finding("disk", Result.OK, sentence)


def _files(settings: "Settings") -> Finding:
    from telemetry_service.storage.engine import open_to_others

    url = settings.database_url.get_secret_value()
    if not url.startswith(SQLITE):
        return Finding("files", Result.SKIPPED, "The database is not a file of this machine.")
    found = open_to_others(Path(url.removeprefix(SQLITE)))
    if not found:
        return Finding("files", Result.OK, "No other user can read the database.")
    named = " ".join(str(file.absolute()) for file in found)
    sentence = f"Other users of this machine can read or write the database. Run: chmod go= {named}"
    return Finding("files", Result.WARNING, sentence)


def _database(settings: "Settings") -> list[Finding]:
    from telemetry_service.storage.migrate import schema_state

    url = settings.database_url.get_secret_value()
    if url.startswith(SQLITE) and not os.path.lexists(url.removeprefix(SQLITE)):
        return [_failed("database", with_place(DatabaseMissingError(), settings))]
    try:
        state = schema_state(url)
    except TelemetryError as error:
        return [_failed("database", error)]
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


def _schema(settings: "Settings", state: "SchemaState") -> Finding:
    from telemetry_service.storage.migrate import refuse_unless_current

    try:
        if not state.may_migrate and not state.too_new and not state.missing:
            raise StorageLoginError
        refuse_unless_current(state)
    except TelemetryError as error:
        return _failed("database", with_place(error, settings))
    return Finding("database", Result.OK, f"The database is reachable; its schema is at revision {state.present}.")


def _inside(settings: "Settings", clock: Clock, *, offline: bool) -> Iterator[Finding]:
    from telemetry_service.service import open_for_command

    try:
        service = open_for_command(settings)
    except TelemetryError as error:
        yield _failed("service", with_place(error, settings))
        return
    resume_collection()
    checks = (
        ("writing", lambda: _writing(service)),
        ("clock", lambda: _clock(service, clock.now())),
        ("administrator", lambda: _administrator(service)),
        ("issuers", lambda: _issuers(service, offline=offline)),
        ("tokens", lambda: _tokens(service, clock.now())),
        ("health", lambda: _health(service)),
        ("ledger", lambda: _ledger(service)),
        ("sealed", lambda: _sealed(service)),
        ("credentials", lambda: _credentials(service, clock.now())),
        ("old API key", lambda: _old_api_key(service)),
        ("connection", lambda: _connection(service, offline=offline)),
    )
    try:
        for name, check in checks:
            yield _guarded(name, check)
    finally:
        service.runtime.database.close()


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except TelemetryError as error:
        return _failed(name, error)


def _writing(service: "OpenService") -> Finding:
    service.runtime.database.try_writing()
    return Finding("writing", Result.OK, "The database is writable.")


def _clock(service: "OpenService", now: datetime) -> Finding:
    with service.runtime.database.read() as tx:
        opened_at = tx.periods.open().opened_at
    if now < _RELEASED:
        return _wrong(
            "clock",
            ("This machine's clock is set to a time before the first release of this service."),
            ExitCode.FAILED,
        )
    if opened_at > now + timedelta(minutes=5):
        return _wrong("clock", "This machine's clock is earlier than the start of the current period.", ExitCode.FAILED)
    return Finding("clock", Result.OK, "This machine's clock agrees with the database.")


def _administrator(service: "OpenService") -> Finding:
    if service.authentication.has_other_ways:
        return Finding("administrator", Result.OK, "People log in at the identity provider or through the console.")
    if service.authentication.accounts.exist():
        return Finding("administrator", Result.OK, "The administrator has a password.")
    sentence = "No one can log in yet. Set a password with: telemetry-service admin set-password"
    return Finding("administrator", Result.WARNING, sentence)


def _issuers(service: "OpenService", *, offline: bool) -> Finding:
    ways = [way for way in (service.authentication.provider, service.authentication.gateway) if way is not None]
    if not ways or offline:
        sentence = "No identity provider or gateway is configured." if not ways else "Skipped: --offline."
        return Finding("issuers", Result.SKIPPED, sentence)
    try:
        for way in ways:
            way.check()
    except IssuerUnavailableError as error:
        sentence = f"The identity provider, or the keys of the gateway, cannot be read ({error.cause}). Check its URL."
        return Finding("issuers", Result.WARNING, sentence)
    return Finding("issuers", Result.OK, "The keys that verify people's identities can be read.")


def _tokens(service: "OpenService", now: datetime) -> Finding:
    from telemetry_service.identity.tokens import EXPIRES_SOON

    tokens = service.authentication.tokens.list()
    soon = [facts for facts in tokens if facts.expires_soon(now)]
    if soon:
        named = ", ".join(f"{facts.name} at {moment(facts.expires_at)}" for facts in soon[:_NAMED_PROBLEMS])
        sentence = f"Service tokens expire soon: {named}. Create new ones, give them to their users, and revoke these."
        return Finding("tokens", Result.WARNING, sentence)
    sentence = f"No service token expires within {EXPIRES_SOON.days} days."
    if service.runtime.deployment.bootstrap_token:
        sentence += " TELEMETRY_BOOTSTRAP_TOKEN is set: anyone who has it may change everything until you remove it."
    return Finding("tokens", Result.OK, sentence)


def _health(service: "OpenService") -> Finding:
    from telemetry_service.domain.health_texts import NOT_AS_SIGNED, NOT_DELIVERED
    from telemetry_service.domain.payload import HealthStatus
    from telemetry_service.pipeline.queries.health import read_health
    from telemetry_service.pipeline.snapshot import read_now

    report = read_now(service.runtime, read_health)
    health = report.health
    sentence = " ".join(part for part in (health.cause, health.next_step, report.verdict.run_note) if part)
    if health.owner is Owner.NOBODY and health.status in {HealthStatus.HEALTHY, HealthStatus.WARNING}:
        return Finding("health", Result.OK, sentence)
    if health.code == "api_key_unusable":
        return _wrong("health", sentence, ExitCode.SETTINGS)
    if health.code in NOT_AS_SIGNED:
        return _wrong("health", sentence, ExitCode.NOT_VERIFIED)
    if health.code in NOT_DELIVERED:
        return _wrong("health", sentence, ExitCode.NOT_DELIVERED)
    return Finding("health", Result.WARNING, sentence)


def _ledger(service: "OpenService") -> Finding:
    """Verify the whole ledger and all rows that it is about, whatever the last sweep has found."""
    from telemetry_service.domain.phrases import counted
    from telemetry_service.pipeline.stages.sweep import examine_everything

    found = examine_everything(service.runtime)
    assert found is not None  # noqa: S101 - no one stops a command's runtime
    if found.problems:
        first = " ".join(problem.sentence for problem in found.problems[:_NAMED_PROBLEMS])
        sentence = f"{counted(len(found.problems), 'problem')} in the ledger or in the rows that it is about. {first}"
        return _wrong("ledger", sentence, ExitCode.NOT_VERIFIED)
    result, sentence = _without_problems(found, service.runtime.deployment.ledger_fingerprint)
    present = found.key_fingerprints[-1] if found.key_fingerprints else "unknown"
    return Finding("ledger", result, f"{sentence} The fingerprint of the ledger key is {present}.")


def _without_problems(found: "Verification", trusted: str | None) -> tuple[Result, str]:
    from telemetry_service.domain.health_texts import LEDGER_KEY_LOST, receipts_unverified
    from telemetry_service.domain.phrases import counted
    from telemetry_service.domain.verification import is_key_lost

    if is_key_lost(found, trusted):
        return Result.WARNING, f"{LEDGER_KEY_LOST.cause} {LEDGER_KEY_LOST.next_step}"
    if found.unverified:
        lacking = receipts_unverified(len(found.unverified))
        return Result.WARNING, f"{lacking.cause} {lacking.next_step}"
    entries, digests = counted(found.seq, "entry", "entries"), counted(found.evidence_checked, "digest")
    return Result.OK, f"Verified: {entries} and {digests}; the evidence of {found.evidence_purged} more was purged."


def _sealed(service: "OpenService") -> Finding:
    """Open every sealed value, which says what depends on which key of ENCRYPTION_KEY."""
    from telemetry_service.cli.key_texts import sealed_text
    from telemetry_service.pipeline.sealed_values import count_sealed, running_key_lists

    runtime = service.runtime
    with runtime.database.read() as tx:
        counts, running = count_sealed(runtime, tx), running_key_lists(runtime, tx)
    sentence = sealed_text(counts, runtime.keys.ids, running)
    if counts.unreadable.total():
        return _wrong("sealed", sentence, ExitCode.SETTINGS)
    left = counts.older.total() or counts.unbound.total()
    return Finding("sealed", Result.WARNING if left else Result.OK, sentence)


def _credentials(service: "OpenService", now: datetime) -> Finding:
    from telemetry_service.cli.key_texts import credentials_text

    with service.runtime.database.read() as tx:
        use = service.authentication.key_use(tx, now)
    return Finding("credentials", Result.WARNING if use.older or use.lost else Result.OK, credentials_text(use))


def _old_api_key(service: "OpenService") -> Finding:
    from telemetry_service.cli.key_texts import old_api_key_text
    from telemetry_service.pipeline.queries.configuration import read_configuration
    from telemetry_service.pipeline.snapshot import read_now

    return Finding(
        "old API key", Result.OK, old_api_key_text(read_now(service.runtime, read_configuration).old_api_key)
    )


def _connection(service: "OpenService", *, offline: bool) -> Finding:
    from telemetry_service.pipeline.actions.check_connection import try_connection

    if offline:
        return Finding("connection", Result.SKIPPED, "Skipped: --offline.")
    try:
        tested = try_connection(service.runtime)
    except TelemetryError as error:
        return Finding("connection", Result.SKIPPED, f"Skipped. {error.text}")
    words = tested.cause_texts
    if words is None:
        return Finding("connection", Result.OK, "The License Server responds and accepts the API key.")
    sentence = f"{words.sentence} {words.next_step} ({words.code.value})"
    return _wrong("connection", sentence, ExitCode.NOT_DELIVERED)


def _failed(check: str, error: TelemetryError) -> Finding:
    return _wrong(check, f"{error.text} ({error.code})", exit_code_of(error))


def _wrong(check: str, sentence: str, exit_code: ExitCode) -> Finding:
    return Finding(check, Result.WRONG, sentence, exit_code)
