"""What it costs to authorize a request: one statement in one transaction, or none for a token seen lately."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event

from telemetry_service.identity.scopes import Scope
from tests.support.running import Running

WITHOUT_DATABASE = "/api/v1/telemetry/dictionary"
"""A route that reads nothing: all that is counted is authorization."""


@dataclass
class Work:
    """What reached the database."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0


@contextmanager
def counted() -> Iterator[Work]:
    """Count statements and transactions; how a transaction begins is no statement."""
    work = Work()

    def statement(_connection: Connection, _cursor: object, text: str, *_: object) -> None:
        if not text.startswith(("PRAGMA", "BEGIN")):
            work.statements.append(text.partition(" ")[0])

    def begin(_connection: Connection) -> None:
        work.transactions += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "begin", begin)
    try:
        yield work
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "begin", begin)


@pytest.fixture
def cookie(shared: Running) -> dict[str, str]:
    """The header of a session that was used a moment ago."""
    cookies, _ = shared.log_in()
    header = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    assert shared.client.get(WITHOUT_DATABASE, headers=header).status_code == 200
    return header


def test_a_session_costs_one_statement(shared: Running, cookie: dict[str, str]) -> None:
    with counted() as work:
        assert shared.client.get(WITHOUT_DATABASE, headers=cookie).status_code == 200
    assert (work.statements, work.transactions) == (["SELECT"], 1)


def test_a_session_is_noted_as_used_once_a_minute_in_a_transaction_that_may_fail(
    shared: Running, cookie: dict[str, str]
) -> None:
    shared.clock.advance(timedelta(minutes=1))
    with counted() as work:
        for _ in range(3):
            assert shared.client.get(WITHOUT_DATABASE, headers=cookie).status_code == 200
    assert sorted(work.statements) == ["SELECT", "SELECT", "SELECT", "UPDATE"]
    assert work.transactions == 4


def test_a_token_costs_one_statement_and_then_nothing_for_some_seconds(shared: Running) -> None:
    shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    with counted() as again:
        shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    shared.clock.advance(timedelta(seconds=6))
    with counted() as later:
        shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    assert (again.statements, again.transactions) == ([], 0)
    assert (later.statements, later.transactions) == (["SELECT"], 1)


def test_who_shows_nothing_costs_nothing(shared: Running) -> None:
    with counted() as work:
        assert shared.client.get(WITHOUT_DATABASE).status_code == 401
    assert (work.statements, work.transactions) == ([], 0)
