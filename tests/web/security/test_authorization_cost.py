"""What it costs to authorize a request: one statement in one transaction, or none for a token seen lately."""

from datetime import timedelta

import pytest

from telemetry_service.identity.scopes import Scope
from tests.support.running import Running
from tests.support.statements import counted_statements

WITHOUT_DATABASE = "/api/v1/telemetry/dictionary"
"""A route that reads nothing: all that is counted is authorization."""


@pytest.fixture
def cookie(shared: Running) -> dict[str, str]:
    """The header of a session that was used a moment ago."""
    cookies, _ = shared.log_in()
    header = {"Cookie": f"telemetry_session={cookies['telemetry_session']}"}
    assert shared.client.get(WITHOUT_DATABASE, headers=header).status_code == 200
    return header


def test_a_session_costs_one_statement(shared: Running, cookie: dict[str, str]) -> None:
    with counted_statements() as asked:
        assert shared.client.get(WITHOUT_DATABASE, headers=cookie).status_code == 200
    assert (asked.statements, asked.transactions) == (["SELECT"], 1)


def test_a_session_is_noted_as_used_once_a_minute_in_a_transaction_that_may_fail(
    shared: Running, cookie: dict[str, str]
) -> None:
    shared.clock.advance(timedelta(minutes=1))
    with counted_statements() as asked:
        for _ in range(3):
            assert shared.client.get(WITHOUT_DATABASE, headers=cookie).status_code == 200
    assert sorted(asked.statements) == ["SELECT", "SELECT", "SELECT", "UPDATE"]
    assert asked.transactions == 4


def test_a_token_costs_one_statement_and_then_nothing_for_some_seconds(shared: Running) -> None:
    shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    with counted_statements() as again:
        shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    shared.clock.advance(timedelta(seconds=6))
    with counted_statements() as later:
        shared.call(Scope.READ, "GET", WITHOUT_DATABASE)
    assert (again.statements, again.transactions) == ([], 0)
    assert (later.statements, later.transactions) == (["SELECT"], 1)


def test_who_shows_nothing_costs_nothing(shared: Running) -> None:
    with counted_statements() as asked:
        assert shared.client.get(WITHOUT_DATABASE).status_code == 401
    assert (asked.statements, asked.transactions) == ([], 0)
