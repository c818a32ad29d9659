"""What a PostgreSQL database is set to by its administrator takes nothing from the promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from tests.support.actors import ADMIN
from tests.support.reckoning import Amount, reckon
from tests.support.site import Site, record_call, usage

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def set_default(site: Site, name: str, value: str) -> None:
    """Change a default of the database; connections that are made later have it."""
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        database = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {database} SET {name} = '{value}'"))
    engine.dispose()


def in_a_transaction(replica: Runtime, setting: str) -> str:
    with replica.database.write() as tx:
        return str(tx.usage._connection.exec_driver_sql(f"SHOW {setting}").scalar_one())  # noqa: SLF001 - no store asks


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_report_that_waited_while_its_period_was_closed_counts_in_the_next_one(site: Site, isolation: str) -> None:
    """Under a stricter default it would see the database as it was before it waited, and add to a closed period."""
    set_default(site, "default_transaction_isolation", isolation)
    reporter, report = site.open(), usage(7, 3, 2)
    with ThreadPoolExecutor(1) as pool:
        waiting = []

        def report_meanwhile(failpoint: Failpoint) -> None:
            if failpoint is Failpoint.PREPARED:
                waiting.append(pool.submit(record_call, reporter, report))
                with pytest.raises(TimeoutError):
                    waiting[0].result(0.5)

        send_now(site.open(report_meanwhile), ADMIN, None)
        result = waiting[0].result(30)
    assert result.accepted == 1
    assert reckon(site.replica.database_url, site.server.journal()).open == Amount(7, 3, 2)


@pytest.mark.parametrize(("default", "kept"), [("off", "on"), ("remote_apply", "remote_apply")])
def test_a_commit_waits_for_the_disk_whatever_the_default_is(site: Site, default: str, kept: str) -> None:
    """Otherwise a crash of PostgreSQL could open a period again whose payload was accepted: it would count twice."""
    set_default(site, "synchronous_commit", default)
    assert in_a_transaction(site.open(), "synchronous_commit") == kept
