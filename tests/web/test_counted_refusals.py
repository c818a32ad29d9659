"""A running service writes what it has counted: at a waking, an hour after the first, and at its stop."""

import time
from datetime import timedelta

import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.heartbeat import HeartbeatLimits
from telemetry_service.storage.database import Database
from tests.support.ledger import entries
from tests.support.running import Running

WRONG = {"Authorization": "Bearer cct_" + "a" * 12 + "_" + "A" * 43}
PATIENCE_SECONDS = 30


def send_wrong_tokens(service: Running) -> None:
    for _ in range(3):
        assert service.call(None, "GET", "license", headers=WRONG).status_code == 401


def counted(database: Database) -> list[object]:
    return [entry.details.get("times") for entry in entries(database) if entry.kind is Kind.TOKEN_REFUSED]


def test_a_stop_writes_it(database_url: str) -> None:
    with Running(database_url) as service:
        send_wrong_tokens(service)
        assert counted(service.context.runtime.database) == [None]
    database = Database(database_url)
    assert counted(database) == [None, 2]
    database.close()


def test_a_waking_writes_it_after_an_hour(database_url: str) -> None:
    with Running(database_url, heartbeat=HeartbeatLimits(every=0.1), scheduled=True) as service:
        send_wrong_tokens(service)
        service.clock.advance(timedelta(minutes=61))
        until = time.monotonic() + PATIENCE_SECONDS
        while counted(service.context.runtime.database) != [None, 2]:
            if time.monotonic() > until:
                pytest.fail("no waking has written the count")
            time.sleep(0.05)
