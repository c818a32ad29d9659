"""A snapshot is one read of the database at one moment: every query, and every decision of a stage, uses one.

It belongs to the transaction it was made in. It reads nothing twice, so that no two parts of a page can contradict each
other; after writing something, make a new one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.configuration import StoredConfiguration
from telemetry_service.domain.errors import KeyUnusableError, NotConfiguredError
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.obstacles import Setup
from telemetry_service.domain.periods import Period
from telemetry_service.domain.schedule import longest_interval, send_offset
from telemetry_service.domain.situation import Run, Situation
from telemetry_service.domain.source import SourceState, unreadable_state
from telemetry_service.domain.source_errors import SourceStateUnreadableError
from telemetry_service.domain.verdict import Verdict, judge
from telemetry_service.domain.verification import Verification, state_of
from telemetry_service.pipeline.announcement import new_field_of
from telemetry_service.pipeline.api_key import open_api_key
from telemetry_service.pipeline.api_key_overlap import OldApiKey, open_overlap
from telemetry_service.pipeline.changed_rows import changed_in, changed_rows
from telemetry_service.pipeline.missing_entries import unanswered
from telemetry_service.pipeline.receipt_check import last_receipt_unverified
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.verification import open_verification
from telemetry_service.storage.current_state import CurrentState
from telemetry_service.storage.database import Transaction
from telemetry_service.storage.schedule import DISABLED, LastTick

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


class Snapshot:
    """What a transaction sees at ``now``, together with the deployment's facts (``runtime``)."""

    def __init__(self, runtime: Runtime, tx: Transaction, now: datetime, *, decides: bool = False) -> None:
        """Read nothing yet: each part is read when it is first asked for.

        ``decides`` is whether something is prepared or exported by it: then the rows are compared with the ledger.
        """
        self.runtime, self.tx, self.now, self._decides = runtime, tx, now, decides

    def after_writing(self) -> "Snapshot":
        """Return a snapshot of what was written since, with the same one-row tables and the same comparison."""
        after = Snapshot(self.runtime, self.tx, self.now, decides=self._decides)
        after.state, after.changed = self.state, self.changed
        return after

    @cached_property
    def state(self) -> CurrentState:
        """The one-row tables."""
        return self.tx.current_state.read(self.runtime.schemas.current.sha256, self.now)

    @property
    def configuration(self) -> StoredConfiguration:
        """The saved configuration."""
        return self.state.configuration

    @property
    def period(self) -> Period:
        """The open period."""
        return self.state.period

    @property
    def enabled(self) -> bool:
        """Whether telemetry is on: the administrator and the deployment must both want it."""
        return self.runtime.enabled(self.configuration)

    @property
    def customer_id(self) -> str | None:
        """The customer ID: the deployment's, else the reported one."""
        return self.runtime.customer_id(self.state.license.values if self.state.license else None)

    @property
    def api_key(self) -> str:
        """The API key unencrypted.

        Raises:
            NotConfiguredError: no API key is stored.
            KeyUnusableError: the stored API key cannot be opened.
        """
        if isinstance(self._opened_key, Exception):
            raise self._opened_key
        return self._opened_key

    @cached_property
    def old_api_key(self) -> OldApiKey | None:
        """The key before the present one, while it is still tried."""
        state, present = self.state, self.configuration.api_key
        return open_overlap(self.runtime, self.tx, state.overlap, state.installation, present, self.now)

    @property
    def naming_key(self) -> str:
        """The API key that pseudonyms are made with; see the function of the same name. Raises the same errors."""
        present, old = self.api_key, self.old_api_key
        return old.api_key if old else present

    @cached_property
    def setup(self) -> Setup:
        """Which parts of the connection are in place."""
        return Setup(
            # What cannot be read is not known to be off: the health names it, and nothing is sent.
            enabled=self.enabled or (self.runtime.deployment.enabled and self.state.switch_unreadable),
            locked=not self.runtime.deployment.enabled,
            api_key=self.configuration.api_key is not None,
            api_key_usable=not isinstance(self._opened_key, KeyUnusableError),
            license_server=self.runtime.deployment.has_recipient,
            customer_id=self.customer_id is not None,
            in_bundles=self.runtime.deployment.in_bundles,
            restored=self.state.restored_at is not None or bool(unanswered(self.runtime, self.verification)),
            unreadable=self.state.unreadable,
            key_locked=Setting.API_KEY in self.runtime.deployment.locked,
            # If a row or the key cannot be read, nothing is sent anyway, and that is the reason to name.
            changed=() if self.state.unreadable or isinstance(self._opened_key, KeyUnusableError) else self.changed,
        )

    @cached_property
    def source(self) -> SourceState | None:
        """How far the source was read; None without one, and before it was first tried."""
        if not self.runtime.deployment.source_database:
            return None
        try:
            return self.tx.source.state()
        except SourceStateUnreadableError as error:
            return unreadable_state(error.text, error.code, self.now)

    @cached_property
    def changed(self) -> tuple[ChangedRow, ...]:
        """The rows that decide what is sent, and that someone else has changed.

        Raises:
            NotVerifiedYetError: this decides, and the ledger has to be verified first.
        """
        if self._decides:
            return changed_in(self.runtime, self.tx, self.state)
        return changed_rows(self.runtime, self.tx, self.state, self.verification)

    @cached_property
    def last_tick(self) -> LastTick | None:
        """The latest tick, whatever its result."""
        return self.tx.schedule.last_tick()

    @cached_property
    def last_run(self) -> LastTick | None:
        """The latest tick that had to send. Within a tick, it is the one before."""
        latest = self.last_tick
        return latest if latest is None or latest.result != DISABLED else self.tx.schedule.last_run()

    @cached_property
    def situation(self) -> Situation:
        """All input of the decision table."""
        delivery = self.state.delivery
        return Situation(
            now=self.now,
            setup=self.setup,
            reportable=self.period.reportable,
            # What was exchanged online earlier says nothing about payloads in bundles.
            exchange=None if self.setup.in_bundles else delivery.last_exchange,
            last_accepted_at=delivery.last_accepted_at,
            waiting=self.tx.transmissions.count_waiting(self.now),
            run=self._run(),
            next_run_at=self.state.next_run_at,
            send_offset=send_offset(self.state.instance_id, self.runtime.deployment.send_spread),
            longest_wait=self.runtime.retry_policy.longest,
            release=self.runtime.deployment.release,
            interval=longest_interval(self.configuration.values.frequency),
            new_field=new_field_of(self.runtime, self.tx, self.state.announced, self.now),
            receipt_unverified=self.runtime.receipt_keys is not None and last_receipt_unverified(self.runtime, self.tx),
            source=self.source,
            ledger=state_of(
                self.verification,
                self.runtime.deployment.ledger_fingerprint,
                self.now,
                fails=self.runtime.swept.fails,
            ),
        )

    @cached_property
    def verification(self) -> Verification | None:
        """What the latest check of the ledger found; None if it was not verified yet."""
        return open_verification(self.runtime, self.state.verdict, self.state.installation)

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict on the situation."""
        return judge(self.situation)

    @cached_property
    def _opened_key(self) -> str | NotConfiguredError | KeyUnusableError:
        try:
            return open_api_key(self.runtime, self.state.api_key)
        except (NotConfiguredError, KeyUnusableError) as error:
            return error

    def _run(self) -> Run | None:
        tick, accepted = self.last_run, self.state.delivery.accepted_sequence
        if tick is None:
            return None
        return Run(
            due_at=tick.due_at,
            result=tick.result,
            of_open_period=tick.period_id == self.period.period_id,
            accepted_since=accepted is not None and accepted > tick.sequence,
        )


@contextmanager
def open_snapshot(runtime: Runtime) -> Iterator[Snapshot]:
    """Open a snapshot of the present moment, in its own read-only transaction."""
    now = runtime.clock.now()
    with runtime.database.read() as tx:
        yield Snapshot(runtime, tx, now)


def read_now(
    runtime: Runtime,
    query: Callable[Concatenate[Snapshot, Arguments], Found],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> Found:
    """Return the result of one query now. For several queries, open one snapshot for all of them."""
    with open_snapshot(runtime) as snapshot:
        return query(snapshot, *arguments, **options)
