"""How far the Control Plane's own database was read."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.owner import Owner
from telemetry_service.domain.source import CatchUp, SourceState
from telemetry_service.domain.source_errors import SourceStateUnreadableError, source_error
from telemetry_service.domain.source_texts import source_note
from telemetry_service.pipeline.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SourceObstacle:
    """Why the source is not read on, and who can do what about it."""

    code: str
    text: str
    next_step: str
    owner: Owner
    since: datetime


@dataclass(frozen=True, slots=True)
class SourceView:
    """What every interface shows of the source."""

    configured: bool
    state: SourceState | None
    """None before the first try."""
    catch_up: CatchUp | None
    now: datetime

    @property
    def lag_seconds(self) -> int | None:
        """How far the counts are behind; None before reading has begun."""
        begun = self.state is not None and self.state.begun is not None
        return int(self.state.lag(self.now).total_seconds()) if begun and self.state else None

    @property
    def rows(self) -> int:
        """Rows counted since the first connection."""
        return self.state.rows if self.state else 0

    @property
    def began_at(self) -> datetime | None:
        """When the source was first read."""
        return self.state.begun.at if self.state and self.state.begun else None

    @property
    def complete_until(self) -> datetime | None:
        """Everything that was committed before this is counted."""
        return self.state.complete_until if self.state and self.state.begun else None

    @property
    def position(self) -> str | None:
        """The position up to which rows were read. It may be larger than what JSON keeps exact."""
        return str(self.state.begun.cursor.position) if self.state and self.state.begun else None

    @property
    def obstacle(self) -> SourceObstacle | None:
        """Why reading stopped, and what to do."""
        met = self.state.obstacle if self.state else None
        if met is None:
            return None
        kind = source_error(met.code)
        return SourceObstacle(met.code, met.text, kind.next_step, kind.owner, met.since)

    @property
    def shared_bouncers(self) -> int:
        """Bouncers of the open period that reports count too."""
        return self.state.shared if self.state else 0

    @property
    def note(self) -> str:
        """All of it in a few sentences; empty without a source."""
        return source_note(self.state, self.catch_up, self.now) if self.configured else ""


def read_source(snapshot: Snapshot) -> SourceView:
    """Return how far the source was read at the time of the snapshot."""
    if not snapshot.runtime.deployment.source_database:
        return SourceView(configured=False, state=None, catch_up=None, now=snapshot.now)
    try:
        catch_up = snapshot.tx.source.catch_up()
    except SourceStateUnreadableError:
        catch_up = None  # The command that continues it says so.
    return SourceView(configured=True, state=snapshot.source, catch_up=catch_up, now=snapshot.now)
