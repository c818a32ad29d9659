"""Everything that can happen to an installation: the rules of the state machine, which takes them in every order."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from telemetry_service.domain.configuration import Retention
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode, LicensePosture
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.domain.schedule import Frequency
from telemetry_service.domain.transmissions import FAILED_STATES, LEASE, SENDABLE_STATES, State
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import remove_api_key, set_api_key
from telemetry_service.pipeline.actions.release import release, withdraw
from telemetry_service.pipeline.actions.report_facts import (
    redeem_code,
    register_bouncer,
    remove_bouncer,
    report_license,
)
from telemetry_service.pipeline.actions.retry import retry, retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import wake
from tests.reliability.promises import Promises
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import Trouble, reply, reset
from tests.support.reckoning import Amount
from tests.support.shared_clock import START
from tests.support.site import record_call, usage

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
deaths = st.one_of(st.none(), st.sampled_from(Failpoint))


class Lifetime(Promises):
    """One installation from its first start to the moment when all is delivered."""

    @rule(amount=amounts, environment=environments, bouncer=bouncers, death=deaths)
    def record(
        self, amount: tuple[int, int, int], environment: Environment, bouncer: int, death: Failpoint | None
    ) -> None:
        events, decisions, errors = amount
        successful = max(0, decisions - errors)
        report = usage(events, decisions, successful, bouncer=f"bouncer-{bouncer}", environment=environment)
        self.survive(death, lambda i: record(i, [[report]]))
        # A reporter that got no response reports again; one that got one has counted once anyway.
        record(self.runtime, [[report, report]])
        self.acknowledged = self.acknowledged.plus(Amount(events, decisions, successful))
        self.recent.append((report, self.clock.now()))

    @precondition(lambda self: self.recent)
    @rule(choice=st.integers(0, 100))
    def report_again(self, choice: int) -> None:
        report, _ = self.recent[choice % len(self.recent)]
        result = record_call(self.runtime, report)
        assert result.duplicates == 1

    @rule(number=st.integers(0, 40))
    def redeem(self, number: int) -> None:
        code = ExtensionCode(code_id=f"EXT-{number}", redeemed_at=START + timedelta(minutes=number))
        assert redeem_code(self.runtime, code, OPS) == (code.code_id not in self.codes)
        self.codes.add(code.code_id)

    @rule(bouncer=bouncers, environment=environments)
    def register(self, bouncer: int, environment: Environment) -> None:
        registration = BouncerRegistration(environment=environment, pair_id=f"pair-{bouncer // 2}")
        register_bouncer(self.runtime, f"bouncer-{bouncer}", registration, OPS)

    @rule(bouncer=bouncers)
    def unregister(self, bouncer: int) -> None:
        remove_bouncer(self.runtime, f"bouncer-{bouncer}", OPS)

    @rule(tier=st.sampled_from(Tier), status=st.sampled_from(LicenseStatus))
    def report_license(self, tier: Tier, status: LicenseStatus) -> None:
        report_license(self.runtime, LicensePosture(tier=tier, license_status=status), OPS)

    @rule(hours=st.sampled_from([0.01, 0.05, 1, 7, 24, 24 * 8, 24 * 20]), death=deaths)
    def time_passes(self, hours: float, death: Failpoint | None) -> None:
        self.clock.advance(hours=hours)
        self.survive(death, wake)

    @rule(hours=st.sampled_from([0.01, 1, 24, 24 * 40]))
    def clock_is_set_back(self, hours: float) -> None:
        self.clock.advance(hours=-hours)

    @rule(death=deaths)
    def wake(self, death: Failpoint | None) -> None:
        self.survive(death, wake)

    @rule(death=deaths, key=st.one_of(st.none(), st.integers(0, 5)))
    def send_now(self, death: Failpoint | None, key: int | None) -> None:
        request_key = None if key is None else f"{key:064x}"
        self.survive(death, lambda i: send_now(i, ADMIN, request_key))

    @rule(death=deaths)
    def retry_failed(self, death: Failpoint | None) -> None:
        self.survive(death, lambda i: retry_failed(i, ADMIN))

    @rule(death=deaths, choice=st.integers(0, 100))
    def retry_one(self, death: Failpoint | None, choice: int) -> None:
        with self.runtime.database.read() as tx:
            failed = tx.transmissions.waiting(FAILED_STATES)
        if failed:
            self.survive(death, lambda i: retry(i, failed[choice % len(failed)], ADMIN))

    @rule(manual=st.booleans())
    def change_release(self, manual: bool) -> None:  # noqa: FBT001
        policy = ReleasePolicy(Release.MANUAL if manual else Release.AUTOMATIC)
        self.replica = replace(self.replica, release=policy)
        self.restart()

    @rule(death=deaths, choice=st.integers(0, 100))
    def release_one(self, death: Failpoint | None, choice: int) -> None:
        waiting = self.waiting_for_release()
        if waiting:
            self.survive(death, lambda i: release(i, waiting[choice % len(waiting)], ADMIN, "Reviewed"))

    @rule(choice=st.integers(0, 100))
    def withdraw_one(self, choice: int) -> None:
        """Withdraw what the License Server does not have: one that stores what it refuses cannot be believed."""
        with self.runtime.database.read() as tx:
            waiting = tx.transmissions.waiting(SENDABLE_STATES | {State.AWAITING_RELEASE})
        known = {entry.transmission_id for entry in self.journal()}
        ours = [transmission_id for transmission_id in waiting if transmission_id not in known]
        if not ours:
            return
        before = self.reckoning().waiting
        self.survive(None, lambda i: withdraw(i, ours[choice % len(ours)], ADMIN, "Not needed"))
        self.withheld = self.withheld.plus(before.minus(self.reckoning().waiting))
        self.withdrawn |= set(ours) - self.reckoning().waiting_ids

    @rule(death=deaths, days=st.sampled_from([0, 8, 100]))
    def purge(self, death: Failpoint | None, days: int = 0) -> None:
        self.clock.advance(days=days)
        retention = timedelta(days=read_now(self.runtime, read_configuration).values.retention_days)
        oldest_day = (self.clock.now() - retention).date()
        self.survive(death, purge)
        # An id is known for as long as the retention says.
        self.recent = [(report, moment) for report, moment in self.recent if moment.date() >= oldest_day]
        result = record_call(self.runtime, *(report for report, _ in self.recent))
        assert result.accepted == 0

    @rule(
        at=st.sampled_from([Failpoint.CLAIMED, Failpoint.SENT]),
        deed=st.sampled_from(["wake", "send now", "retry", "purge", "switch off", "another key", "clock back"]),
        late=st.booleans(),
    )
    def another_replica_acts_meanwhile(self, at: Failpoint, deed: str, late: bool) -> None:  # noqa: FBT001
        """Something else is done while one replica sends, or is stopped for longer than its lease lasts."""
        self.interlude = (at, partial(self.meanwhile, deed, late))
        self.survive(None, lambda i: send_now(i, ADMIN, None))
        self.interlude = None
        self.heard = len(self.server.server.requests)  # What was being sent may still arrive after a switch-off.

    @rule()
    def restart(self) -> None:
        self.runtime.database.close()
        self.runtime = self.open()

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
            remove_api_key(self.runtime, ADMIN)
            return
        if kind == "fresh":
            self.api_key = f"key-{uuid4().hex}"
            self.server.store.add_key(self.api_key, self.customer)
        set_api_key(self.runtime, STRANGER if kind == "wrong" else self.api_key, ADMIN)

    @rule(name=st.sampled_from(sorted(TROUBLES)))
    def license_server_changes(self, name: str) -> None:
        self.server.trouble(TROUBLES[name])

    @rule()
    def check_connection(self) -> None:
        self.survive(None, lambda i: check_connection(i, ADMIN))

    @rule()
    def preview(self) -> None:
        assert read_now(self.runtime, build_preview).counts.total_events == self.reckoning().open.events

    def meanwhile(self, deed: str, late: bool) -> None:  # noqa: FBT001
        """Do something in another replica; what it refuses is its affair."""
        if late:
            self.clock.advance(seconds=LEASE.total_seconds() + 1)
        deeds: dict[str, Callable[[], object]] = {
            "wake": lambda: wake(self.runtime),
            "send now": lambda: send_now(self.runtime, ADMIN, None),
            "retry": lambda: retry_failed(self.runtime, ADMIN),
            "purge": lambda: self.purge(None),
            "switch off": lambda: self.save(enabled=False),
            "another key": lambda: self.change_key("fresh"),
            "clock back": lambda: self.clock.advance(hours=-1),
        }
        with suppress(TelemetryError):
            deeds[deed]()
