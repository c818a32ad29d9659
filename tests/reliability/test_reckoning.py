"""The oracle itself: one that cannot say no proves nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.reference.journal import read_journal
from tests.support.license_server import Trouble, reply
from tests.support.reckoning import Amount, reckon, undelivered, unfaithful
from tests.support.site import Site, usage


@pytest.fixture
def full_site(site: Site) -> Site:
    """A site with usage in each place: accepted, waiting, not reported and open."""
    site.configure(enabled=False)
    site.report(usage(1))
    site.configure(enabled=True)
    for events, trouble in ((10, Trouble()), (100, Trouble(before=reply(422)))):
        site.report(usage(events))
        site.server.trouble(trouble)
        site.tick()
        site.server.trouble(Trouble(before=reply(422)))
    site.report(usage(1_000))
    return site


def in_the_database(site: Site, statement: str) -> None:
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def at_the_license_server(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "license-server" / "license-server.sqlite3", timeout=30)) as store:
        store.execute(statement)
        store.commit()


def test_it_finds_usage_in_each_of_its_places(full_site: Site) -> None:
    found = reckon(full_site.replica.database_url, full_site.server.journal())
    assert (found.accepted.events, found.waiting.events, found.open.events, found.not_reported.events) == (
        10,
        100,
        1_000,
        1,
    )
    assert found.total == Amount(1_111)


@pytest.mark.parametrize(
    ("statement", "total"),
    [
        ("UPDATE usage_counters SET audit_events = audit_events - 1 WHERE audit_events = 1000", 1_110),
        ("DELETE FROM usage_counters WHERE audit_events = 1", 1_110),
        ("UPDATE telemetry_transmission_logs SET state = 'success' WHERE state = 'rejected'", 1_011),
    ],
)
def test_it_notices_what_is_lost_in_the_database(full_site: Site, statement: str, total: int) -> None:
    in_the_database(full_site, statement)
    assert reckon(full_site.replica.database_url, full_site.server.journal()).total.events == total


@pytest.mark.parametrize(
    ("statement", "total"),
    [
        ("DELETE FROM journal", 1_101),
        (
            (
                "INSERT INTO journal (transmission_id, customer_id, key_id, received_at, encrypted, payload,"
                " content_sha256, payload_sha256, body_sha256) SELECT '0193b2f6-7a00-7000-8000-000000000001',"
                " customer_id, key_id, received_at, encrypted, payload, content_sha256, payload_sha256, body_sha256"
                " FROM journal"
            ),
            1_121,
        ),
    ],
)
def test_it_notices_what_is_lost_or_doubled_at_the_license_server(
    full_site: Site, tmp_path: Path, statement: str, total: int
) -> None:
    at_the_license_server(tmp_path, statement)
    journal = read_journal(tmp_path / "license-server" / "license-server.sqlite3")
    assert reckon(full_site.replica.database_url, journal).total.events == total


def looked_at(site: Site) -> tuple[int, tuple[int, int]]:
    """Return how many transmissions are not what they are shown to be, and what is not shown as delivered."""
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        found = len(unfaithful(connection, site.server.journal())), undelivered(connection)
    engine.dispose()
    return found


def test_it_sees_that_all_is_as_it_is_shown(full_site: Site) -> None:
    full_site.redeem("EXT-30D-7Q2M")
    assert looked_at(full_site) == (0, (1, 1))
    full_site.server.trouble()
    full_site.tick()
    assert looked_at(full_site) == (0, (0, 0))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET payload = CAST(replace(CAST(payload AS TEXT), '\"1.2.3\"', '\"1.2.4\"') AS BLOB)",
        "UPDATE journal SET payload_sha256 = 'ab'",
        "UPDATE journal SET transmission_id = '0193b2f6-7a00-7000-8000-000000000001'",
        "DELETE FROM journal",
    ],
    ids=["another payload", "bytes of no attempt", "another id", "never arrived"],
)
def test_it_notices_what_the_license_server_has_in_another_way(full_site: Site, tmp_path: Path, statement: str) -> None:
    at_the_license_server(tmp_path, statement)
    assert looked_at(full_site)[0] == 1
