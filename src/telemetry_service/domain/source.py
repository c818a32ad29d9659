"""Counting from the Control Plane's own database: the views that it shows, and how far they were read.

The contract is closed. A view has exactly the columns that are named here, so that no content can come with them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from telemetry_service.domain.facts import OPAQUE_ID_PATTERN, Environment

EVENTS = "telemetry_source_events"
BOUNCERS = "telemetry_source_bouncers"
CODES = "telemetry_source_extension_codes"

VIEWS: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("position", "row_key", "occurred_at", "bouncer_id", "environment", "kind", "successful"),
    BOUNCERS: ("bouncer_id", "environment", "pair_id"),
    CODES: ("code_id", "redeemed_at"),
}
"""Each view and its columns."""

DECISION = "decision"
"""The kind of an audit event that is a policy decision too. Any other kind is an event only, and is never kept."""

ID_BYTES = 64
"""Longer texts never leave the source: no ID is longer."""

MOMENT = timedelta(seconds=10)
"""How long a tick, *Send Now*, and turning telemetry off read at most; the rest belongs to the next period."""

LATE_AFTER = timedelta(hours=1)
"""From this lag on, the health says so: a long transaction in that cluster, or a source that grows too fast."""

AWAY_AFTER = timedelta(minutes=5)
"""A source that is away for less needs no one: a restart of its database takes as long."""

RESTORED = "source-restored"
"""The code of the one obstacle that stays until a person decides."""

_EPOCH = 2**32
"""Transaction IDs of PostgreSQL count on after so many."""

_OPAQUE_ID = re.compile(OPAQUE_ID_PATTERN.removesuffix("$"))


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the events were read: up to and including the row with this position and key.

    Without a key, nothing at this position was read, and everything before it was, or is not to be.
    """

    position: int
    row_key: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions of a PostgreSQL cluster a moment saw, written as ``pg_snapshot``."""

    oldest: int
    """The oldest that was running. All before it had ended."""
    end: int
    """Nothing from here on was there."""
    running: tuple[int, ...] = ()
    """Those in between that had not ended."""

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Return the snapshot that is written as ``text``.

        Raises:
            ValueError: it is none.
        """
        oldest, end, running = text.split(":")
        found = cls(int(oldest), int(end), tuple(int(it) for it in running.split(",") if it))
        in_order = list(found.running) == sorted(set(found.running))
        within = all(found.oldest <= it < found.end for it in found.running)
        if str(found) != text or found.oldest > found.end or not (in_order and within):
            raise ValueError
        return found

    def __str__(self) -> str:
        """Return it as PostgreSQL writes it."""
        return f"{self.oldest}:{self.end}:{','.join(str(it) for it in self.running)}"

    def up_to(self, newest: int) -> "Snapshot":
        """Return it without what is behind ``newest``: after a crash, PostgreSQL may give these IDs out again."""
        end = newest + 1 if (newest + 1) % _EPOCH else newest + 2  # PostgreSQL takes no ID whose lower half is zero.
        return replace(self, end=end, running=tuple(it for it in self.running if it <= newest))


@dataclass(frozen=True, slots=True)
class Era:
    """What a look was made of."""

    server: str | None
    """When the server was started; None for a file, which can be replaced at any time."""
    view: str
    """A digest of the definition of the events' view: after a change, the same row may say something else."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The newest row that was read.

    An older copy of the source does not have it, even once it has given out the same positions again.
    """

    position: int
    row_key: str | None
    digest: str
    """Of what tells the row from another one at its place."""
    era: Era

    def is_missing_in(self, found: Collection[str], era: Era, *, older_rows: bool) -> bool:
        """Whether the source is an older copy, by the digests of the rows at this place.

        Only a restart replaces the data of a server. Without one, the row was changed or deleted by its owner. A row
        that is gone together with all older ones was deleted for its age.
        """
        if era.view != self.era.view or (era.server is not None and era.server == self.era.server):
            return False
        if found:
            return self.digest not in found
        return era.server is not None and older_rows


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins, or continues after a reset."""

    cursor: Cursor
    there: Snapshot | None = None
    """What is there behind the cursor already, and does not count; None for nothing."""
    anchor: Anchor | None = None

    @property
    def floor(self) -> int:
        """No row from this position on is older than the start."""
        return self.cursor.position if self.there is None else self.there.end


@dataclass(frozen=True, slots=True)
class Horizon:
    """What can be read now."""

    below: int
    """Rows at positions below this are final: no transaction can still add one."""
    newest: int
    """No transaction has a position from here on yet."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one bouncer did in one environment."""

    events: int
    decisions: int
    successful: int


@dataclass(frozen=True, slots=True)
class Step:
    """A bounded number of rows, added up by the source itself."""

    counts: Mapping[tuple[str, str], Counts]
    """By bouncer and environment."""
    rows: int
    """How many rows were read, counted or not."""
    end: Cursor
    """Where the next step begins."""
    anchor: Anchor | None = None
    """Its last row; None if there is none."""
    acceptable: bool = True
    """False if one of the rows cannot be counted; then none is."""

    @property
    def counted(self) -> int:
        """How many rows count."""
        return sum(counts.events for counts in self.counts.values())


@dataclass(frozen=True, slots=True)
class Span:
    """Older rows that are caught up on: those before ``before`` that occurred in this time."""

    before: int
    since: datetime
    until: datetime | None
    """None for no end."""
    there: Snapshot | None = None
    """Of these rows, only those that were there by this moment; None for all."""


@dataclass(frozen=True, slots=True)
class SpanNumbers:
    """What a catch-up would do."""

    rows: int
    """Rows to look at."""
    counted: int
    """Those that occurred in the span."""
    undated: int
    """Those of which it is not known; they are not counted."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How far a catch-up is."""

    span: Span
    cursor: Cursor
    version: int
    total: int
    """Rows to look at."""
    looked_at: int
    counted: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Marker:
    """Once everything below a position is read, all that was committed before its time is."""

    position: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why reading stopped, and since when."""

    code: str
    text: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Begun:
    """Where reading is, once it has begun."""

    cursor: Cursor
    floor: int
    """No row from this position on is ever caught up on: those were read, or skipped by a reset."""
    at: datetime
    there: Snapshot | None = None
    """What was there behind the cursor when reading began, and does not count; None for nothing."""
    anchor: Anchor | None = None
    """The newest row that was read, as far as it is there."""

    @property
    def passed(self) -> int:
        """No row below this position was ever passed by the cursor."""
        return self.floor if self.there is None else min(self.floor, self.there.oldest)


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far the source was read, as all replicas share it."""

    version: int
    begun: Begun | None
    """None before the first connection."""
    rows: int
    """Rows counted since then, those that were caught up on included."""
    complete_until: datetime
    """Everything that was committed before this is counted."""
    marker: Marker | None
    looked_at: datetime
    """When the last look met no obstacle."""
    obstacle: Obstacle | None
    shared: int
    """Bouncers of the open period that both the source and reports have counted."""
    shared_example: str | None

    @property
    def restored(self) -> bool:
        """Whether the source went back, so that nothing is read until a person decides."""
        return self.obstacle is not None and self.obstacle.code == RESTORED

    def lag(self, now: datetime) -> timedelta:
        """Return how far the counts are behind."""
        return max(now - self.complete_until, timedelta(0))

    def after_look(self, horizon: Horizon, at: datetime, anchor: Anchor | None) -> "SourceState":
        """Return the state after a look that found no more rows below ``horizon``."""
        begun = None if self.begun is None else replace(self.begun, anchor=anchor)
        seen = replace(self, begun=begun, looked_at=at, obstacle=None)
        if horizon.below >= horizon.newest:  # No transaction was running.
            return replace(seen, complete_until=at, marker=None)
        latest = Marker(horizon.newest, at)
        if self.marker is None:
            return replace(seen, marker=latest)
        if self.marker.position <= horizon.below:
            return replace(seen, complete_until=self.marker.at, marker=latest)
        return seen


def unreadable_state(sentence: str, code: str, now: datetime) -> SourceState:
    """Return the state in place of one that cannot be read."""
    return SourceState(0, None, 0, now, None, now, Obstacle(code, sentence, now - AWAY_AFTER), 0, None)


def is_opaque_id(text: object) -> bool:
    """Whether this can be the ID of a bouncer or a pair."""
    return isinstance(text, str) and _OPAQUE_ID.fullmatch(text) is not None


def is_environment(text: object) -> bool:
    """Whether this is one of the two environments."""
    return text in set(Environment)
