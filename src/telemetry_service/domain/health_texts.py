"""What the health says while the connection works: each finding with its sentence, its next step and its owner."""

from datetime import datetime
from typing import NamedTuple

from telemetry_service.domain import obstacles
from telemetry_service.domain.owner import NOTHING_TO_DO, Owner
from telemetry_service.domain.phrases import counted, relative, to_come, to_the_minute
from telemetry_service.domain.release import NewField
from telemetry_service.domain.source import Obstacle
from telemetry_service.domain.source_errors import source_error


class Finding(NamedTuple):
    """A finding that is appended to the cause of a health state."""

    code: str
    cause: str
    next_step: str
    owner: Owner


NEVER_ACCEPTED = "No transmission has been accepted yet."
ACTIVE = "The connection is active, and a recent transmission was accepted."
ACCEPTED = "A recent transmission was accepted."

_CHECK_SERVICE = "Check that the telemetry service is running and can write to its database."

OK = Finding("ok", "", NOTHING_TO_DO, Owner.NOBODY)
UNTESTED = Finding(
    "connection_untested",
    "The current connection has not been used yet.",
    "Click Test Connection.",
    Owner.ADMINISTRATOR,
)
TEST_AGAIN = (
    "Click Test Connection again in a few minutes. If it keeps failing, check the proxies and firewalls in between.",
    Owner.ADMINISTRATOR,
)


LEDGER_KEY_LOST = Finding(
    "ledger_key_lost",
    "The key that signed the ledger was lost or replaced, and nothing vouches for the present one.",
    "If you did that, set TELEMETRY_LEDGER_FINGERPRINT to the fingerprint that telemetry-service doctor prints. If not,"
    " find out who changed the database.",
    Owner.DEPLOYMENT,
)
NOT_AS_SIGNED = frozenset({"settings_changed", "payload_changed", "ledger_broken"})
"""Codes of a health state in which something is not as it was signed."""

NOT_DELIVERED = frozenset({"period_contradiction", "waiting_rejected", "waiting_held", "receipt_missing"})
"""Codes of a health state in which the connection works, but something is not delivered until a person acts."""


def last_accepted(at: datetime, now: datetime) -> str:
    """Return how long ago the last acceptance was."""
    return f"The last transmission was accepted {relative(min(at, now), now)}."


def retried(at: datetime, now: datetime) -> str:
    """Return when the waiting payloads are tried again."""
    return f"The next attempt is {planned(at, now)}."


def planned(at: datetime, now: datetime) -> str:
    """Return a future time, both relative and absolute: ``in 5 minutes (15 Nov 2026, 02:00 UTC)``."""
    return f"{to_come(at, now)} ({to_the_minute(at)})" if at > now else to_come(at, now)


def exchange_failed() -> Finding:
    """Return a failure whose cause is not known."""
    return Finding("exchange_failed", "The latest exchange with the License Server failed.", *TEST_AGAIN)


def barred(obstacle: obstacles.Obstacle) -> Finding:
    """Say what an obstacle says."""
    return Finding(obstacle.code, obstacle.sentence, obstacle.next_step, obstacle.owner)


def payload_changed(number: int) -> Finding:
    """Say that payloads are not sent because they are not those that were signed."""
    it = "is on hold because it is" if number == 1 else "are on hold because they are"
    return Finding(
        "payload_changed",
        f"Someone changed the database: {counted(number, 'payload')} {it} not as signed when the period was closed.",
        "Find out who changed the database. Restore it from a backup and click Retry, or withdraw the payload unless it"
        " was accepted.",
        Owner.ADMINISTRATOR,
    )


def ledger_broken(number: int, verified_at: datetime) -> Finding:
    """Say that something in the database is not as the ledger says."""
    return Finding(
        "ledger_broken",
        f"The verification of the ledger on {to_the_minute(verified_at)} found {counted(number, 'problem')}.",
        "Run telemetry-service ledger verify to see what was changed, find out who did it, and restore the database"
        " from a backup.",
        Owner.HOST,
    )


def ledger_unverified(since: datetime) -> Finding:
    """Say that no process verifies the ledger, or cannot finish."""
    return Finding(
        "ledger_unverified",
        f"The whole ledger was last verified on {to_the_minute(since)}, although the service does it once a day.",
        "Run telemetry-service ledger verify, and check the service's log for why it does not.",
        Owner.HOST,
    )


def receipts_unverified(number: int) -> Finding:
    """Say that payloads were accepted without a valid receipt."""
    return Finding(
        "receipt_missing",
        f"{counted(number, 'transmission')} {'was' if number == 1 else 'were'} accepted without a valid receipt,"
        " although a key of the License Server is pinned.",
        "Compare TELEMETRY_LICENSE_SERVER_PUBLIC_KEY with the key that the vendor publishes. If they match, contact"
        " support.",
        Owner.DEPLOYMENT,
    )


def contradiction(run: datetime) -> Finding:
    """Say that the open period cannot be sent."""
    return Finding(
        "period_contradiction",
        f"The run scheduled for {to_the_minute(run)} created no payload because the current period's counts are"
        " inconsistent.",
        "Contact support. The period stays open.",
        Owner.SUPPORT,
    )


def rejected(number: int) -> Finding:
    """Say that payloads were rejected and wait."""
    return Finding(
        "waiting_rejected",
        f"{counted(number, 'payload')} {'was rejected and is' if number == 1 else 'were rejected and are'} waiting.",
        "Check Error Details in the transmission history, then click Retry.",
        Owner.ADMINISTRATOR,
    )


def held(number: int) -> Finding:
    """Say that payloads wait for another API key or connection."""
    return Finding(
        "waiting_held",
        f"{counted(number, 'payload')} {'is' if number == 1 else 'are'} on hold until the API key or the connection"
        " changes.",
        "Check Error Details in the transmission history.",
        Owner.ADMINISTRATOR,
    )


def refused_in_bundle(number: int) -> Finding:
    """Say that payloads of a bundle were refused and wait for the next one."""
    return Finding(
        "waiting_rejected",
        f"{counted(number, 'payload')} {'was refused and is' if number == 1 else 'were refused and are'} waiting.",
        "Check Error Details in the transmission history, then export a new bundle.",
        Owner.ADMINISTRATOR,
    )


RECEIPT_UNVERIFIED = Finding(
    "receipt_missing",
    "The last transmission was accepted without a receipt that the pinned key verifies.",
    "Check with support that TELEMETRY_LICENSE_SERVER_PUBLIC_KEY has the License Server's present key.",
    Owner.DEPLOYMENT,
)


def receipt_missing(number: int) -> Finding:
    """Say that payloads do not count as accepted yet, because their receipts are missing."""
    return Finding(
        "receipt_missing",
        f"{counted(number, 'payload')} {'was' if number == 1 else 'were'} accepted without a valid receipt and"
        f" {'is' if number == 1 else 'are'} waiting for one.",
        "Open the transmission, then click Retry, or accept it without a receipt.",
        Owner.ADMINISTRATOR,
    )


def to_export(number: int) -> Finding:
    """Say that payloads wait for a bundle."""
    return Finding(
        "waiting_export",
        f"{counted(number, 'payload')} {'is' if number == 1 else 'are'} waiting for a bundle.",
        "Export a bundle and take it to the License Server.",
        Owner.ADMINISTRATOR,
    )


_FIELDS_NAMED = 3


def new_field(found: NewField, number: int) -> Finding:
    """Say what this version would send that earlier ones did not, and until when its payloads wait."""
    named = ", ".join(found.fields[:_FIELDS_NAMED]) or "its fields"
    more = f" and {len(found.fields) - _FIELDS_NAMED} more" if len(found.fields) > _FIELDS_NAMED else ""
    until = "until they are approved" if found.until is None else f"until {to_the_minute(found.until)}"
    held = f" {counted(number, 'payload')} waiting." if number else ""
    return Finding(
        "new_field",
        f"This version sends more than the last one: {named}{more}. Payloads with it wait {until}.{held}",
        "Open a waiting transmission to see what is new, then release or withdraw it.",
        Owner.ADMINISTRATOR,
    )


def waiting_for_receipts(number: int) -> Finding:
    """Say that exported payloads wait for their receipts."""
    return Finding(
        "waiting_receipts",
        f"{counted(number, 'payload')} {'is' if number == 1 else 'are'} exported and waiting for"
        f" {'its receipt' if number == 1 else 'their receipts'}.",
        "Import the receipts that the License Server made for the bundle.",
        Owner.ADMINISTRATOR,
    )


def awaiting_release(number: int, since: datetime, now: datetime) -> Finding:
    """Say that payloads wait for their release."""
    return Finding(
        "awaiting_release",
        f"{counted(number, 'payload')} waiting for release; the first was prepared {relative(min(since, now), now)}.",
        "Open the waiting transmission, then release or withdraw it.",
        Owner.ADMINISTRATOR,
    )


def not_run(run: datetime) -> Finding:
    """Say that a due run does not start."""
    return Finding(
        "run_overdue",
        f"Overdue since {to_the_minute(run)}: that run has not started.",
        _CHECK_SERVICE,
        Owner.HOST,
    )


def not_tried(attempt: datetime) -> Finding:
    """Say that a due attempt does not start."""
    return Finding(
        "attempt_overdue",
        f"Overdue since {to_the_minute(attempt)}: that attempt has not started.",
        _CHECK_SERVICE,
        Owner.HOST,
    )


def overdue(run: datetime, next_run: datetime, now: datetime) -> Finding:
    """Say that no acceptance followed the latest run, and no payload waits for one."""
    return Finding(
        "overdue",
        f"Overdue since {to_the_minute(run)}: no transmission has been accepted since then.",
        f"Click Send Now, or wait for the next run, {planned(next_run, now)}.",
        Owner.ADMINISTRATOR,
    )


def catching_up(run: datetime) -> Finding:
    """Say that a missed run is about to be made up for."""
    return Finding(
        "run_catching_up", f"The run missed on {to_the_minute(run)} is starting.", NOTHING_TO_DO, Owner.NOBODY
    )


def waiting(number: int, again: datetime, now: datetime) -> Finding:
    """Say that payloads wait for a planned attempt."""
    return Finding(
        "waiting", f"{counted(number, 'payload')} waiting. {retried(again, now)}", NOTHING_TO_DO, Owner.NOBODY
    )


def source_stopped(met: Obstacle) -> Finding:
    """Say why the Control Plane's own database is not read on."""
    kind = source_error(met.code)
    return Finding(met.code.replace("-", "_"), met.text, kind.next_step, kind.owner)


def source_late(complete_until: datetime, now: datetime) -> Finding:
    """Say that the counts from the source are behind, although nothing keeps it from being read."""
    return Finding(
        "source_late",
        f"What was written into the source database is counted up to {relative(complete_until, now)}.",
        "If this continues, look for a long transaction in the source's PostgreSQL cluster: a row is final only when"
        " no older transaction runs.",
        Owner.DEPLOYMENT,
    )


def source_shared(number: int, example: str) -> Finding:
    """Say that events may count twice."""
    return Finding(
        "source_shared",
        f"In this period, {counted(number, 'bouncer')} (such as {example}) {'is' if number == 1 else 'are'} counted"
        " from the source database and by reports, so events may count twice.",
        "Let either the source or reports count a bouncer.",
        Owner.DEPLOYMENT,
    )


def on_schedule(next_run: datetime, now: datetime) -> Finding:
    """Say that the schedule explains why nothing was accepted for a while."""
    return Finding(
        "on_schedule",
        f"The next run, {planned(next_run, now)}, is on schedule.",
        f"{NOTHING_TO_DO} To send sooner, click Send Now.",
        Owner.NOBODY,
    )
