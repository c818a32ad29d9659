"""What saving a configuration would lose for good: it is said first, in numbers, and asked for."""

from dataclasses import dataclass

from telemetry_service.domain.configuration import Configuration, StoredConfiguration
from telemetry_service.domain.errors import ConfirmationRequiredError
from telemetry_service.domain.phrases import counted
from telemetry_service.pipeline.actions.configure import MOST_COUNTED, Check, count_rows_to_purge
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a save would do; zeros where it would lose nothing."""

    events_never_sent: int
    """Audit events of the open period, where the save switches telemetry off."""
    decisions_never_sent: int
    rows_deleted: int
    """Rows that the next daily purge deletes for a shorter retention; ``MOST_COUNTED + 1`` where there are more."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is lost; empty where nothing is."""
        found = []
        if self.events_never_sent or self.decisions_never_sent:
            events = counted(self.events_never_sent, "audit event")
            decisions = counted(self.decisions_never_sent, "policy decision")
            found.append(f"The current period closes without a payload: {events} and {decisions} will never be sent.")
        if self.rows_deleted:
            more = "More than " if self.rows_deleted > MOST_COUNTED else ""
            rows = counted(min(self.rows_deleted, MOST_COUNTED), "row")
            found.append(f"{more}{rows} of older data will be deleted at the next daily purge.")
        return tuple(found)


def consequences(runtime: Runtime, tx: Transaction, before: StoredConfiguration, after: Configuration) -> Consequences:
    """Return what saving ``after`` would lose."""
    events = decisions = rows = 0
    if runtime.enabled(before) and not after.enabled:
        period_id = tx.periods.open().period_id
        counts = tx.periods.counts(period_id, tx.periods.day_counts(period_id))
        events, decisions = counts.total_events, counts.policy_decision_count
    if after.retention_days < before.values.retention_days:
        rows = count_rows_to_purge(runtime, tx, after.retention_days)
    return Consequences(events, decisions, rows)


def read_consequences(runtime: Runtime, after: Configuration) -> Consequences:
    """Return what saving ``after`` would lose as things stand; a save may find more."""
    with runtime.database.read() as tx:
        return consequences(runtime, tx, tx.configuration.get(), after)


def unless_something_is_lost(runtime: Runtime) -> Check:
    """Return the check of a save that nobody has confirmed: it is made in the transaction of the save.

    What was counted between a look and the save is asked about too. Where something would be lost, it raises
    :class:`ConfirmationRequiredError` with the numbers.
    """

    def check(tx: Transaction, before: StoredConfiguration, after: Configuration) -> None:
        tx.periods.lock_open()  # Nothing is counted any more until the save is done.
        found = consequences(runtime, tx, before, after)
        if found.sentences:
            sentence = " ".join((*found.sentences, "To proceed, repeat the request with ?confirm=true."))
            raise ConfirmationRequiredError(sentence)

    return check
