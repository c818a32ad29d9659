"""The verdict at one moment, with the facts that a reader needs next."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.health import Health
from telemetry_service.domain.transmissions import LastExchange, State
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What the tab, REST, the command line, the doctor and the metrics say about the state."""

    verdict: Verdict
    last_exchange: LastExchange | None
    """The latest exchange under the present API key and connection."""
    last_tick_result: str | None
    """The result of the latest tick: ``prepared``, ``disabled`` or the code of the reason why the period stayed
    open."""

    @property
    def health(self) -> Health:
        """The state with its cause and the next step."""
        return self.verdict.health

    @property
    def connected(self) -> bool | None:
        """Whether the License Server is connected; None if no exchange shows either."""
        return self.verdict.connected

    @property
    def last_exchange_at(self) -> datetime | None:
        """When the latest exchange was."""
        return self.last_exchange.at if self.last_exchange else None

    @property
    def waiting(self) -> int:
        """How many transmissions are not accepted yet."""
        return self.verdict.situation.waiting.total

    @property
    def last_accepted_at(self) -> datetime | None:
        """When a transmission was last accepted."""
        return self.verdict.situation.last_accepted_at

    @property
    def next_run_at(self) -> datetime | None:
        """When the next period closes; null while telemetry is off."""
        return self.verdict.next_run_at

    @property
    def next_send_at(self) -> datetime | None:
        """When something is sent next, be it a retry; None where nothing is."""
        return self.verdict.next_send_at


def read_health(snapshot: Snapshot) -> HealthReport:
    """Return the health at the time of the snapshot."""
    return HealthReport(
        verdict=snapshot.verdict,
        last_exchange=snapshot.situation.exchange,
        last_tick_result=snapshot.last_tick.result if snapshot.last_tick else None,
    )


def count_by_state(snapshot: Snapshot) -> dict[State, int]:
    """Return how many transmissions are kept in each state; every state is named."""
    found = snapshot.tx.transmissions.count_by_state()
    return {state: found.get(state, 0) for state in State}
