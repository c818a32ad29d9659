"""A running service looks for its latest entries by itself, whatever else fails."""

import time

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.heartbeat import HeartbeatLimits
from tests.support.databases import ON_BOTH
from tests.support.running import Running
from tests.support.tampering import HEAD, LEDGER

PATIENCE_SECONDS = 30
LAST = f"(SELECT max(seq) FROM {LEDGER})"  # noqa: S608 - names of our own
TAKE_AWAY = (
    f"DELETE FROM {LEDGER} WHERE seq = {LAST}",  # noqa: S608 - as above
    f"UPDATE {HEAD} SET seq = {LAST}, sha256 = :before",  # noqa: S608 - as above
    "DROP TABLE ledger_pending",  # Each waking fails from now on.
)


@ON_BOTH
def test_missing_entries_are_noticed_although_each_waking_fails(database_url: str) -> None:
    with Running(database_url, heartbeat=HeartbeatLimits(every=0.1), scheduled=True) as service:
        runtime = service.context.runtime
        with runtime.database.read() as tx:
            before = tx.ledger.head()
        assert service.call(Scope.REPORT, "PUT", "license", json={"tier": "trial"}).is_success
        with runtime.database.read() as tx:
            last = tx.ledger.head()
            assert tx.ledger.of_kind(Kind.FACTS) is not None
        assert last.seq == before.seq + 1
        engine = create_engine(database_url)
        with engine.begin() as connection:
            for statement in TAKE_AWAY:
                connection.execute(text(statement), {"before": before.sha256} if ":before" in statement else {})
        engine.dispose()
        until = time.monotonic() + PATIENCE_SECONDS
        while last.anchor not in runtime.swept.missing:
            if time.monotonic() > until:
                pytest.fail("nothing has looked for it")
            time.sleep(0.05)
        answered = service.call(Scope.ADMIN, "POST", "telemetry/restored", json={"open_period": "unsent"})
        assert answered.is_success, "the question was asked"
