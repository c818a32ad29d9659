"""What every installation promises, whatever happens to it: the invariants of the state machine, and what they need.

After every step the equation of the reporting periods holds exactly, exactly what was open while telemetry was off is
withheld, one id has one payload and it is the stored one, no code is sent twice, nothing that was not accepted is gone,
and nothing was sent while telemetry was off. After the last step everything is delivered, and every code was sent once.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.facts import UsageReport
from telemetry_service.domain.release import AUTOMATIC
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.release import release
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.reference.journal import JournalEntry
from tests.support.actors import ADMIN
from tests.support.license_server import LicenseServer
from tests.support.reckoning import Amount, Reckoning, add_up, codes_of, reckon_on, undelivered, unfaithful
from tests.support.shared_clock import START, SharedClock
from tests.support.site import Replica


class Killed(BaseException):
    """The process ends here: nothing in the service catches it, as nothing catches SIGKILL."""


class Promises(RuleBasedStateMachine):
    """An installation that keeps them; the rules of its subclasses decide what happens to it."""

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
        self.death: Failpoint | None = None
        self.interlude: tuple[Failpoint, Callable[[], None]] | None = None
        self.runtime = self.open()
        set_api_key(self.runtime, self.api_key, ADMIN)
        self.acknowledged = Amount()
        self.codes: set[str] = set()
        self.ever_waiting: set[UUID] = set()
        self.withdrawn: set[UUID] = set()
        self.not_reported: dict[int, Amount] = {}
        self.recent: list[tuple[UsageReport, datetime]] = []
        self.enabled, self.withheld = True, Amount()
        self.heard = len(server.server.requests)

    # What must hold

    @invariant()
    def every_acknowledged_report_is_in_exactly_one_place(self) -> None:
        reckoning = self.reckoning()
        self.not_reported |= reckoning.not_reported_periods
        elsewhere = reckoning.accepted.plus(reckoning.waiting).plus(reckoning.open)
        not_reported = add_up(self.not_reported.values())
        assert elsewhere.plus(not_reported) == self.acknowledged
        assert not_reported == self.withheld, (
            "what was open at each switch or was withdrawn, and nothing else, never leaves"
        )

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
    def one_id_has_one_payload_and_one_code_is_sent_once(self) -> None:
        journal = self.journal()
        assert [entry.conflicts for entry in journal] == [0] * len(journal)
        sent = codes_of(journal)
        assert len(sent) == len(set(sent))
        assert set(sent) <= self.codes

    @invariant()
    def nothing_that_was_not_accepted_is_gone(self) -> None:
        waiting = self.reckoning().waiting_ids
        self.ever_waiting |= waiting
        assert self.ever_waiting <= waiting | self.withdrawn | {entry.transmission_id for entry in self.journal()}

    @invariant()
    def nothing_that_was_withdrawn_is_sent(self) -> None:
        assert not self.withdrawn & {entry.transmission_id for entry in self.journal()}

    @invariant()
    def there_is_one_open_period(self) -> None:
        assert self.rows("SELECT count(*) FROM reporting_periods WHERE is_open") == [(1,)]

    def teardown(self) -> None:
        """Remove all faults: then everything is delivered, and every code was sent exactly once."""
        self.server.trouble()
        set_api_key(self.runtime, self.api_key, ADMIN)
        self.save(enabled=True)
        self.replica = replace(self.replica, release=AUTOMATIC)
        self.runtime.database.close()
        self.runtime = self.open()
        for waiting in self.waiting_for_release():
            release(self.runtime, waiting, ADMIN, "Reviewed")
        send_now(self.runtime, ADMIN, None)
        for _ in range(3):
            self.clock.advance(hours=7)
            retry_failed(self.runtime, ADMIN)
            wake(self.runtime)
        assert self.reckoning().waiting_ids == frozenset()
        with self.engine.connect() as connection:
            assert undelivered(connection) == (0, 0), "and the service knows it"
        assert sorted(codes_of(self.journal())) == sorted(self.codes)
        self.every_acknowledged_report_is_in_exactly_one_place()
        self.one_id_has_one_payload_and_one_code_is_sent_once()
        self.what_was_sent_is_what_is_kept()
        self.runtime.database.close()
        self.engine.dispose()

    # What it takes

    def open(self) -> Runtime:
        return self.replica.open(self.clock, self.watch)

    def watch(self, failpoint: Failpoint) -> None:
        if self.interlude is not None and failpoint is self.interlude[0]:
            (_, act), self.interlude = self.interlude, None
            act()
        if failpoint is self.death:
            self.death = None
            raise Killed

    def survive(self, death: Failpoint | None, act: Callable[[Runtime], object]) -> None:
        """Act, die where it is so decided, and open what is left in another process."""
        self.death = death
        try:
            act(self.runtime)
        except TelemetryError:
            pass  # It was refused, with a reason; what matters is that nothing was lost by it.
        except Killed:
            self.runtime.database.close()
            self.runtime = self.open()
        finally:
            self.death = None

    def save(self, **changes: object) -> None:
        stored = read_now(self.runtime, read_configuration).stored
        values = stored.values.model_copy(update=changes)
        if values.enabled != self.enabled:
            self.withheld = self.withheld.plus(self.reckoning().open)
        save_configuration(self.runtime, values, stored.version, ADMIN)
        self.enabled = values.enabled

    def waiting_for_release(self) -> tuple[UUID, ...]:
        with self.runtime.database.read() as tx:
            return tx.transmissions.waiting(frozenset({State.AWAITING_RELEASE}))

    def journal(self) -> list[JournalEntry]:
        return [entry for entry in self.server.journal() if entry.customer_id == self.customer]

    def reckoning(self) -> Reckoning:
        with self.engine.connect() as connection:
            return reckon_on(connection, self.journal())

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
