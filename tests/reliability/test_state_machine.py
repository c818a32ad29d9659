"""Everything that can happen to an installation, in every order: the License Server's own journal is the oracle.

After every step the equation of the reporting periods holds exactly, exactly what was open while telemetry was off is
withheld, one id has one payload and it is the stored one, no code is told twice, nothing that was not accepted is gone,
and nothing was sent while telemetry was off. After the last step all is delivered, and every code was told once.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import create_engine, text

from telemetry_service.domain.configuration import Retention
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.facts import (
    BouncerRegistration,
    Environment,
    ExtensionCode,
    LicensePosture,
    UsageReport,
)
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import FAILED_STATES, LEASE
from telemetry_service.pipeline.configure import read_configuration, remove_api_key, save_configuration, set_api_key
from telemetry_service.pipeline.connection_test import test_connection as try_connection
from telemetry_service.pipeline.installation import Installation, Milestone
from telemetry_service.pipeline.preview import build_preview
from telemetry_service.pipeline.purge import purge
from telemetry_service.pipeline.record import record
from telemetry_service.pipeline.register import redeem_code, register_bouncer, remove_bouncer, report_license
from telemetry_service.pipeline.retry import retry, retry_failed
from telemetry_service.pipeline.send_now import send_now
from telemetry_service.pipeline.tick import wake
from telemetry_service.reference.journal import JournalEntry
from tests.support.databases import RunDatabases
from tests.support.license_server import LicenseServer, Trouble, reply, reset
from tests.support.reckoning import Amount, Reckoning, add_up, codes_of, reckon_on, undelivered, unfaithful
from tests.support.shared_clock import START, SharedClock
from tests.support.site import Replica, usage

TROUBLES = {
    "none": Trouble(),
    "busy": Trouble(before=reply(503)),
    "busy for long": Trouble(before=reply(429, Retry_After="999999999")),
    "refuses the key": Trouble(before=reply(401)),
    "refuses the payload": Trouble(before=reply(422)),
    "redirects": Trouble(before=reply(308, Location="https://127.0.0.1:9/")),
    "breaks the connection": Trouble(before=reset),
    "accepts and breaks the connection": Trouble(after=reset),
    "accepts and fails": Trouble(after=reply(500)),
    "accepts and refuses": Trouble(after=reply(400)),
}
STRANGER = "a-key-that-nobody-knows-0123"
counts = st.integers(0, 50)
amounts = st.tuples(counts, counts, counts)
environments = st.sampled_from(Environment)
bouncers = st.integers(0, 3)
deaths = st.one_of(st.none(), st.sampled_from(Milestone))


class Killed(BaseException):
    """The process ends here: nothing in the service catches it, as nothing catches SIGKILL."""


class Lifetime(RuleBasedStateMachine):
    """One installation from its first start to the moment when all is delivered."""

    def __init__(self, database_url: str, server: LicenseServer, clock: SharedClock) -> None:
        super().__init__()
        clock.set(START)
        server.trouble()
        self.customer = f"cus_{uuid4().hex}"
        self.api_key = f"key-{uuid4().hex}"
        server.store.add_key(self.api_key, self.customer)
        self.server, self.clock, self.engine = server, clock, create_engine(database_url)
        self.replica = Replica(
            database_url, server.server.url, server.server.ca_pem_path, server.public_key, self.customer
        )
        self.death: Milestone | None = None
        self.interlude: tuple[Milestone, Callable[[], None]] | None = None
        self.installation = self.open()
        set_api_key(self.installation, self.api_key, "admin")
        self.acknowledged = Amount()
        self.codes: set[str] = set()
        self.ever_waiting: set[UUID] = set()
        self.not_reported: dict[int, Amount] = {}
        self.recent: list[tuple[UsageReport, datetime]] = []
        self.enabled, self.withheld = True, Amount()
        self.heard = len(server.server.requests)

    # What happens

    @rule(amount=amounts, environment=environments, bouncer=bouncers, death=deaths)
    def record(
        self, amount: tuple[int, int, int], environment: Environment, bouncer: int, death: Milestone | None
    ) -> None:
        events, decisions, errors = amount
        successful = max(0, decisions - errors)
        report = usage(events, decisions, successful, bouncer=f"bouncer-{bouncer}", environment=environment)
        self.survive(death, lambda i: record(i, [[report]]))
        # A reporter that got no answer reports again; one that got one has counted once anyway.
        record(self.installation, [[report, report]])
        self.acknowledged = self.acknowledged.plus(Amount(events, decisions, successful))
        self.recent.append((report, self.clock.now()))

    @precondition(lambda self: self.recent)
    @rule(choice=st.integers(0, 100))
    def report_again(self, choice: int) -> None:
        report, _ = self.recent[choice % len(self.recent)]
        (result,) = record(self.installation, [[report]])
        assert result.duplicates == 1

    @rule(number=st.integers(0, 40))
    def redeem(self, number: int) -> None:
        code = ExtensionCode(code_id=f"EXT-{number}", redeemed_at=START + timedelta(minutes=number))
        assert redeem_code(self.installation, code) == (code.code_id not in self.codes)
        self.codes.add(code.code_id)

    @rule(bouncer=bouncers, environment=environments)
    def register(self, bouncer: int, environment: Environment) -> None:
        registration = BouncerRegistration(environment=environment, pair_id=f"pair-{bouncer // 2}")
        register_bouncer(self.installation, f"bouncer-{bouncer}", registration)

    @rule(bouncer=bouncers)
    def unregister(self, bouncer: int) -> None:
        remove_bouncer(self.installation, f"bouncer-{bouncer}")

    @rule(tier=st.sampled_from(Tier), status=st.sampled_from(LicenseStatus))
    def report_license(self, tier: Tier, status: LicenseStatus) -> None:
        report_license(self.installation, LicensePosture(tier=tier, license_status=status))

    @rule(hours=st.sampled_from([0.01, 0.05, 1, 7, 24, 24 * 8, 24 * 20]), death=deaths)
    def time_passes(self, hours: float, death: Milestone | None) -> None:
        self.clock.advance(hours=hours)
        self.survive(death, wake)

    @rule(hours=st.sampled_from([0.01, 1, 24, 24 * 40]))
    def clock_is_set_back(self, hours: float) -> None:
        self.clock.advance(hours=-hours)

    @rule(death=deaths)
    def wake(self, death: Milestone | None) -> None:
        self.survive(death, wake)

    @rule(death=deaths, key=st.one_of(st.none(), st.integers(0, 5)))
    def send_now(self, death: Milestone | None, key: int | None) -> None:
        request_key = None if key is None else f"{key:064x}"
        self.survive(death, lambda i: send_now(i, "admin", request_key))

    @rule(death=deaths)
    def retry_failed(self, death: Milestone | None) -> None:
        self.survive(death, lambda i: retry_failed(i, "admin"))

    @rule(death=deaths, choice=st.integers(0, 100))
    def retry_one(self, death: Milestone | None, choice: int) -> None:
        with self.installation.database.read() as tx:
            failed = tx.transmissions.waiting(FAILED_STATES)
        if failed:
            self.survive(death, lambda i: retry(i, failed[choice % len(failed)], "admin"))

    @rule(death=deaths, days=st.sampled_from([0, 8, 100]))
    def purge(self, death: Milestone | None, days: int = 0) -> None:
        self.clock.advance(days=days)
        retention = timedelta(days=read_configuration(self.installation).values.retention_days)
        oldest_day = (self.clock.now() - retention).date()
        self.survive(death, purge)
        # An id is known for as long as the retention says.
        self.recent = [(report, moment) for report, moment in self.recent if moment.date() >= oldest_day]
        (result,) = record(self.installation, [[report for report, _ in self.recent]])
        assert result.accepted == 0

    @rule(
        at=st.sampled_from([Milestone.CLAIMED, Milestone.SENT]),
        deed=st.sampled_from(["wake", "send now", "retry", "purge", "switch off", "another key", "clock back"]),
        late=st.booleans(),
    )
    def another_replica_acts_meanwhile(self, at: Milestone, deed: str, late: bool) -> None:  # noqa: FBT001
        """Something else is done while one replica sends, or is stopped for longer than its lease lasts."""
        self.interlude = (at, partial(self.meanwhile, deed, late))
        self.survive(None, lambda i: send_now(i, "admin", None))
        self.interlude = None
        self.heard = len(self.server.server.requests)  # What was being sent may still arrive after a switch-off.

    @rule()
    def restart(self) -> None:
        self.installation.database.close()
        self.installation = self.open()

    @rule(enabled=st.booleans())
    def switch(self, enabled: bool) -> None:  # noqa: FBT001
        self.save(enabled=enabled)

    @rule(frequency=st.sampled_from(Frequency))
    def change_frequency(self, frequency: Frequency) -> None:
        self.save(frequency=frequency)

    @rule(retention=st.sampled_from(Retention))
    def change_retention(self, retention: Retention) -> None:
        self.save(retention_days=retention.value)

    @rule(encrypt=st.booleans(), anonymize=st.booleans())
    def change_sealing(self, encrypt: bool, anonymize: bool) -> None:  # noqa: FBT001
        self.save(encrypt_payload=encrypt, anonymize_pii=anonymize)

    @rule(kind=st.sampled_from(["fresh", "wrong", "none", "right"]))
    def change_key(self, kind: str) -> None:
        if kind == "none":
            remove_api_key(self.installation, "admin")
            return
        if kind == "fresh":
            self.api_key = f"key-{uuid4().hex}"
            self.server.store.add_key(self.api_key, self.customer)
        set_api_key(self.installation, STRANGER if kind == "wrong" else self.api_key, "admin")

    @rule(name=st.sampled_from(sorted(TROUBLES)))
    def license_server_changes(self, name: str) -> None:
        self.server.trouble(TROUBLES[name])

    @rule()
    def test_connection(self) -> None:
        self.survive(None, lambda i: try_connection(i, "admin"))

    @rule()
    def preview(self) -> None:
        assert build_preview(self.installation).counts.total_events == self.reckoning().open.events

    # What must hold

    @invariant()
    def every_acknowledged_report_is_in_exactly_one_place(self) -> None:
        reckoning = self.reckoning()
        self.not_reported |= reckoning.not_reported_periods
        elsewhere = reckoning.accepted.plus(reckoning.waiting).plus(reckoning.open)
        not_reported = add_up(self.not_reported.values())
        assert elsewhere.plus(not_reported) == self.acknowledged
        assert not_reported == self.withheld, "what was open at each switch, and nothing else, never leaves"

    @invariant()
    def what_was_sent_is_what_is_kept(self) -> None:
        with self.engine.connect() as connection:
            assert unfaithful(connection, self.journal()) == frozenset()

    @invariant()
    def while_telemetry_is_off_nothing_is_sent(self) -> None:
        heard = len(self.server.server.requests)
        assert self.enabled or heard == self.heard
        self.heard = heard

    @invariant()
    def one_id_has_one_payload_and_one_code_is_told_once(self) -> None:
        journal = self.journal()
        assert [entry.conflicts for entry in journal] == [0] * len(journal)
        told = codes_of(journal)
        assert len(told) == len(set(told))
        assert set(told) <= self.codes

    @invariant()
    def nothing_that_was_not_accepted_is_gone(self) -> None:
        waiting = self.reckoning().waiting_ids
        self.ever_waiting |= waiting
        assert self.ever_waiting <= waiting | {entry.transmission_id for entry in self.journal()}

    @invariant()
    def there_is_one_open_period(self) -> None:
        assert self.rows("SELECT count(*) FROM reporting_periods WHERE is_open") == [(1,)]

    def teardown(self) -> None:
        """Let all be well at last: then all is delivered, and every code was told exactly once."""
        self.server.trouble()
        set_api_key(self.installation, self.api_key, "admin")
        self.save(enabled=True)
        send_now(self.installation, "admin", None)
        for _ in range(3):
            self.clock.advance(hours=7)
            retry_failed(self.installation, "admin")
            wake(self.installation)
        assert self.reckoning().waiting_ids == frozenset()
        with self.engine.connect() as connection:
            assert undelivered(connection) == (0, 0), "and the service knows it"
        assert sorted(codes_of(self.journal())) == sorted(self.codes)
        self.every_acknowledged_report_is_in_exactly_one_place()
        self.one_id_has_one_payload_and_one_code_is_told_once()
        self.what_was_sent_is_what_is_kept()
        self.installation.database.close()
        self.engine.dispose()

    # What it takes

    def open(self) -> Installation:
        return self.replica.open(self.clock, self.watch)

    def watch(self, milestone: Milestone) -> None:
        if self.interlude is not None and milestone is self.interlude[0]:
            (_, act), self.interlude = self.interlude, None
            act()
        if milestone is self.death:
            self.death = None
            raise Killed

    def survive(self, death: Milestone | None, act: Callable[[Installation], object]) -> None:
        """Act, die where it is so decided, and open what is left in another process."""
        self.death = death
        try:
            act(self.installation)
        except TelemetryError:
            pass  # It was refused, with a reason; what matters is that nothing was lost by it.
        except Killed:
            self.installation.database.close()
            self.installation = self.open()
        finally:
            self.death = None

    def meanwhile(self, deed: str, late: bool) -> None:  # noqa: FBT001
        """Do something in another replica; what it refuses is its affair."""
        if late:
            self.clock.advance(seconds=LEASE.total_seconds() + 1)
        deeds: dict[str, Callable[[], object]] = {
            "wake": lambda: wake(self.installation),
            "send now": lambda: send_now(self.installation, "admin", None),
            "retry": lambda: retry_failed(self.installation, "admin"),
            "purge": lambda: self.purge(None),
            "switch off": lambda: self.save(enabled=False),
            "another key": lambda: self.change_key("fresh"),
            "clock back": lambda: self.clock.advance(hours=-1),
        }
        with suppress(TelemetryError):
            deeds[deed]()

    def save(self, **changes: object) -> None:
        stored = read_configuration(self.installation).stored
        values = stored.values.model_copy(update=changes)
        if values.enabled != self.enabled:
            self.withheld = self.withheld.plus(self.reckoning().open)
        save_configuration(self.installation, values, stored.version, "admin")
        self.enabled = values.enabled

    def journal(self) -> list[JournalEntry]:
        return [entry for entry in self.server.journal() if entry.customer_id == self.customer]

    def reckoning(self) -> Reckoning:
        with self.engine.connect() as connection:
            return reckon_on(connection, self.journal())

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(
    request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """Make a database for each example; on PostgreSQL one for all, emptied."""
    if request.param == "sqlite":
        yield lambda: run_databases.sqlite(tmp_path)
        return
    with run_databases.postgresql() as url:
        yield partial(emptied, url)


def emptied(url: str) -> str:
    engine = create_engine(url)
    with engine.begin() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        names = ", ".join(name for name in tables if name != "alembic_version")
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    engine.dispose()
    return url


@pytest.mark.timeout(1800)
def test_whatever_happens_in_whatever_order_nothing_is_lost_and_nothing_counts_twice(
    fresh_url: Callable[[], str], server: LicenseServer, clock: SharedClock
) -> None:
    run_state_machine_as_test(
        lambda: Lifetime(fresh_url(), server, clock),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(max_examples=max(8, settings().max_examples // 10), stateful_step_count=25),
    )
