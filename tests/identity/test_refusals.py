"""Whoever is refused is noted, and does not decide how much is written."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from telemetry_service.domain.errors import LoginFailedError, StorageUnavailableError
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.authentication import Authentication
from telemetry_service.identity.refusals import Refusals
from telemetry_service.identity.throttle import LoginBlockedError
from telemetry_service.storage.database import Database
from tests.identity.conftest import PASSWORD
from tests.support.actors import ADMIN, STRANGER
from tests.support.frozen_clock import FrozenClock
from tests.support.ledger import entries, signed_database

MANY = 500


def refused(database: Database) -> list[tuple[Kind | None, str, str | None, dict[str, object]]]:
    return [(entry.kind, entry.actor, entry.source, dict(entry.details)) for entry in entries(database)]


@contextmanager
def counted_writes() -> Iterator[list[Connection]]:
    """Return the transactions that are begun, in whatever thread."""
    begun: list[Connection] = []
    note = begun.append  # One object: each access makes another.
    event.listen(Engine, "begin", note)
    try:
        yield begun
    finally:
        event.remove(Engine, "begin", note)


def write_counts(authentication: Authentication, database: Database, clock: FrozenClock) -> None:
    authentication.refusals.flush()
    with database.write() as tx:
        tx.ledger.note_pending(clock.now())


def test_a_stranger_with_wrong_tokens_causes_two_writes_and_two_entries_however_often(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    with counted_writes() as begun, ThreadPoolExecutor(8) as pool:
        for _ in range(MANY):
            pool.submit(authentication.refusals.note, STRANGER, Kind.TOKEN_REFUSED)
        pool.shutdown()
        authentication.refusals.flush()
    assert len(begun) == 2
    clock.advance(timedelta(minutes=1))
    write_counts(authentication, database, clock)
    assert refused(database) == [
        (Kind.TOKEN_REFUSED, "nobody", STRANGER.address, {}),
        (
            Kind.TOKEN_REFUSED,
            "nobody",
            None,
            {"times": MANY - 1, "since": "2026-11-03T10:00:00.000Z", "until": "2026-11-03T10:00:00.000Z"},
        ),
    ]


def test_why_a_secret_was_refused_is_counted_apart(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    for reason in ("no_recent_login", "scope_missing", "no_recent_login"):
        authentication.refusals.note(ADMIN, Kind.REVEAL_REFUSED, {"reason": reason})
    write_counts(authentication, database, clock)
    assert [details.get("reason", details.get("of")) for *_rest, details in refused(database)] == [
        "no_recent_login",
        "scope_missing",
        "no_recent_login",
    ]


def test_a_refusal_that_cannot_be_written_is_kept_until_it_can(clock: FrozenClock, tmp_path: Path) -> None:
    refusals = Refusals(signed_database(f"sqlite:///{tmp_path}/gone/telemetry.db"), clock)
    refusals.note(STRANGER, Kind.TOKEN_REFUSED)
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            refusals.flush()


def test_a_blocked_login_is_noted_once_until_the_count_is_written(
    administered: Authentication, database: Database, clock: FrozenClock
) -> None:
    for _ in range(5):
        with pytest.raises(LoginFailedError):
            administered.sessions.log_in("admin", "not the password", STRANGER)
    for _ in range(20):
        with pytest.raises(LoginBlockedError):
            administered.sessions.log_in("admin", PASSWORD, STRANGER)
    write_counts(administered, database, clock)
    kinds = [kind for kind, *_rest in refused(database)]
    assert kinds.count(Kind.LOGIN_BLOCKED) == 2
    assert refused(database)[-2][3]["times"] == 19
