"""What saving a configuration would change and lose."""

from dataclasses import dataclass

from telemetry_service.domain.phrases import counted

MOST_COUNTED = 100_000
"""The most rows of a purge that are counted in advance: each view of the settings counts them, and recording must not
slow down."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a save would change, and what it would lose; zeros if nothing."""

    changes: tuple[str, ...]
    """The settings that it changes."""
    events_never_sent: int
    """Audit events of the open period, if the save turns telemetry off."""
    decisions_never_sent: int
    rows_deleted: int
    """Rows that the next daily purge deletes for a shorter retention; ``MOST_COUNTED + 1`` if there are more."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is lost; empty if nothing is."""
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
