"""Runs all checks. Those that need the database are left out if it cannot be used."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from telemetry_service.cli.doctor import disk, files, secrecy
from telemetry_service.cli.doctor.database import database_findings
from telemetry_service.cli.doctor.finding import Finding, Result, broken, failed, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.open_service import read_settings, with_place
from telemetry_service.domain.clock import Clock, SystemClock
from telemetry_service.domain.errors import SettingsError, TelemetryError

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject
    from telemetry_service.settings import Settings


def examine(*, offline: bool, clock: Clock | None = None) -> list[Finding]:
    """Check everything that can be checked."""
    try:
        settings = read_settings()
    except SettingsError as error:
        return [wrong("settings", problem, ExitCode.SETTINGS) for problem in error.problems]
    findings = [Finding("settings", Result.OK, "All settings are valid.")]
    findings += [secrecy.keys(settings), secrecy.cookies(settings), secrecy.host(settings)]
    findings += [secrecy.proxies(settings)]
    findings += [disk.free_space(settings), files.closed_to_others(settings)]
    about_the_database = database_findings(settings)
    findings += about_the_database
    if about_the_database[0].result is Result.OK:
        findings += _inside(settings, clock or SystemClock(), offline=offline)
    return findings


def _inside(settings: "Settings", clock: Clock, *, offline: bool) -> Iterator[Finding]:
    from telemetry_service.cli.doctor.subject import Subject
    from telemetry_service.service import open_for_command

    try:
        service = open_for_command(settings)
    except TelemetryError as error:
        yield failed("service", with_place(error, settings))
        return
    resume_collection()
    subject = Subject(settings, service, clock.now(), offline=offline)
    try:
        for name, check in _checks().items():
            yield _guarded(name, check, subject)
    finally:
        service.runtime.close()


def _checks() -> dict[str, Callable[["Subject"], Finding]]:
    """Return the checks of a database that is ready; each loads what it needs."""
    from telemetry_service.cli.doctor import connection, database, delivery, keys, ledger, people, source, time

    return {
        "integrity": database.integrity,
        "writing": database.writing,
        "growth": disk.growth,
        "locked": keys.locked,
        "administrator": people.administrator,
        "issuers": people.issuers,
        "tokens": people.tokens,
        "health": delivery.health,
        "ledger": ledger.ledger,
        "sealed": keys.sealed,
        "credentials": keys.credentials,
        "old API key": keys.old_api_key,
        "source": source.source,
        "connection": connection.connection,
        "clock": time.clock,
    }


def _guarded(name: str, check: Callable[["Subject"], Finding], subject: "Subject") -> Finding:
    try:
        return check(subject)
    except TelemetryError as error:
        return failed(name, error)
    except Exception as error:  # noqa: BLE001 - a row may hold anything, and the other checks continue
        return broken(name, error)
