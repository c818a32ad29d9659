"""The ledger's lines: written at the end of the transaction of the act that they record, each signed.

A transaction locks the head last, signs its lines, and commits next. A process that is stopped in between does not
keep others from recording usage, because that writes no line.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    Connection,
    Integer,
    LargeBinary,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.types import NULLTYPE

from telemetry_service.domain.actor import SERVICE, Actor
from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import (
    KeyUnusableError,
    LedgerBusyError,
    LedgerNotKeptError,
    RowUnreadableError,
    StorageBusyError,
)
from telemetry_service.domain.ledger import (
    FIRST_PREV,
    Entry,
    KeyReason,
    Kind,
    LedgerFilter,
    Salter,
    Value,
    claims_of,
    digest_of,
    written_at,
)
from telemetry_service.storage import upsert
from telemetry_service.storage.days import within
from telemetry_service.storage.driver_errors import translated
from telemetry_service.storage.installation_id import INSTALLATION, NOWHERE
from telemetry_service.storage.ledger_pending import LedgerPendingStore, Marker
from telemetry_service.storage.rows import filled, full_rows, readable_rows
from telemetry_service.storage.tables import LedgerHeadRow as HeadRow
from telemetry_service.storage.tables import LedgerKeyRow as KeyRow
from telemetry_service.storage.tables import LedgerLineRow as LineRow
from telemetry_service.storage.tables import LedgerSaltedValue as SaltedRow
from telemetry_service.storage.types import MOST

CLOCK_TOLERANCE = timedelta(minutes=1)
"""How much the clocks of two replicas may differ before a line says that the clock was set back."""

_HEAD_LOCK = "SET LOCAL lock_timeout = '2s'"
"""The longest wait for the head on PostgreSQL. Everything else that this transaction has locked waits with it."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is stored, and what its first line says of it."""

    key_id: str
    sealed: bytes
    public_key: str
    """In URL-safe base64."""
    fingerprint: str


class Signer(Marker, Protocol):
    """Signs lines. The private keys are in the database, sealed; only the signer can open them."""

    def make(self, installation: UUID) -> NewKey:
        """Return a new key of an installation."""
        ...

    def sign(self, key_id: str, sealed: bytes, installation: UUID, claims: Mapping[str, object]) -> str:
        """Return the signed line.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        ...

    def retire(self, key_id: str, sealed: bytes, installation: UUID) -> bytes:
        """Return what is kept of a key that no longer signs: its public key, sealed.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        ...

    def seal_again(self, key_id: str, sealed: bytes, installation: UUID) -> bytes:
        """Return the same of a key that no longer signs, sealed under the newest key of the deployment.

        Raises:
            KeyUnusableError: the key cannot be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """All keys, sealed, by their IDs."""

    signs: str | None
    """The one that signs, of which the private key is stored; of the others, the public one is."""
    sealed: Mapping[str, bytes]
    installation: UUID
    """Whose keys they are."""


@dataclass(frozen=True, slots=True)
class Head:
    """The place and the digest of a line."""

    seq: int
    sha256: str

    @property
    def anchor(self) -> str:
        """Its name: ``SEQ:DIGEST``."""
        return f"{self.seq}:{self.sha256}"


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line with its index, which nothing trusts."""

    seq: int
    line: str
    kind: str
    at: datetime
    actor: str
    transmission_id: UUID | None


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A row of the ledger that cannot be read."""

    seq: Any
    """Whatever is in the place of its number."""
    column: str = ""
    """The column that cannot be read, with its table."""
    line: str | None = None
    """The signed entry itself, if only its index cannot be read."""


_SEALED = cast(KeyRow.sealed, LargeBinary).label("sealed")
"""As bytes, even where someone has put a text: on SQLite, a column may hold anything."""

_ALL = LedgerFilter()
_LINE_COLUMNS = tuple(getattr(LineRow, name) for name in StoredLine.__slots__)
_NO_HEAD_IS_HERE, _NO_LINE_IS_HERE = MOST // 2, MOST // 4
"""No ledger gets so long: someone has written these numbers. JSON keeps many more exact, so there is room behind."""

# Statements that are often run are built once: building one takes longer than SQLite needs to run it.
_LINES = select(*_LINE_COLUMNS)
_HEAD = select(HeadRow.seq, HeadRow.sha256)
_KEYS = select(KeyRow.key_id, _SEALED, HeadRow.id, INSTALLATION).outerjoin(HeadRow, HeadRow.key_id == KeyRow.key_id)
_OF_TRANSMISSION = LineRow.transmission_id == bindparam("transmission_id")
_ABOUT = _LINES.where(_OF_TRANSMISSION).order_by(LineRow.seq)
_SINCE_FIRST = (
    _LINES.add_columns(HeadRow.seq, HeadRow.sha256)
    .outerjoin(HeadRow, true())
    .where(LineRow.seq >= select(func.min(LineRow.seq)).where(_OF_TRANSMISSION).scalar_subquery())
    .order_by(LineRow.seq)
)
_SINCE = (
    select(HeadRow.seq, HeadRow.sha256, LineRow.seq, LineRow.line)
    .outerjoin(LineRow, and_(LineRow.seq > bindparam("after"), LineRow.seq <= HeadRow.seq))
    .order_by(LineRow.seq)
    .limit(bindparam("most", type_=Integer))
)
_SALTED = select(SaltedRow.sha256, SaltedRow.salted).where(SaltedRow.sha256.in_(bindparam("digests")))
_LOCKED_HEAD = select(HeadRow.id).with_for_update()
_HEAD_AND_KEY = select(
    HeadRow.seq,
    HeadRow.sha256,
    HeadRow.at,
    select(type_coerce(LineRow.line, NULLTYPE))
    .where(LineRow.seq == HeadRow.seq)
    .correlate(HeadRow)
    .scalar_subquery()
    .label("line"),
    HeadRow.key_id,
    _SEALED,
    INSTALLATION,
    select(func.min(LineRow.seq))
    .where(LineRow.seq > HeadRow.seq, LineRow.seq <= MOST)
    .correlate(HeadRow)
    .scalar_subquery()
    .label("follows"),
).outerjoin(KeyRow, KeyRow.key_id == HeadRow.key_id)
_NEW_LINE, _NEW_SALTED, _MOVE_HEAD = insert(LineRow), insert(SaltedRow), update(HeadRow)
_STEP = 1000
"""The number of lines in memory at a time."""


class LedgerStore:
    """Collects the entries of a transaction and writes their lines at its end."""

    def __init__(self, connection: Connection, signer: Signer | None) -> None:
        """Work within the transaction of ``connection``."""
        self._connection, self._signer = connection, signer
        self._pending = LedgerPendingStore(connection, signer)
        self._entries: list[Entry] = []
        self.stamps: dict[str, str] = {}
        """The numbers of the stamps that this transaction has written, by the names of their rows."""
        self.replaced: dict[str, str] = {}
        """The numbers that these take the place of, as far as there were any."""
        self._missing_key = KeyReason.LOST
        self.written: list[Head] = []
        """The lines of this transaction, once it has flushed."""

    def begins(self) -> None:
        """Let the first key be made. Without it, a ledger that has no key has lost it."""
        self._missing_key = KeyReason.FIRST

    def stamped(self, name: str, number: str, replaces: str | None = None) -> None:
        """Let the last entry of this transaction repeat the number of the stamp of a row, and the one before it."""
        self.stamps[name] = number
        if replaces is not None:
            self.replaced.setdefault(name, replaces)

    def note(
        self,
        now: datetime,
        actor: Actor,
        kind: Kind,
        details: Mapping[str, Value] | None = None,
        transmission_id: UUID | None = None,
    ) -> None:
        """Add an entry. ``details`` hold values of closed sets, numbers, digests, our own IDs and salted values."""
        self._entries.append(Entry(now, actor, kind, transmission_id, details or {}))

    def note_often(
        self,
        now: datetime,
        actor: Actor,
        kind: Kind,
        details: Mapping[str, Value] | None = None,
        transmission_id: UUID | None = None,
    ) -> None:
        """Add an entry for the first of many; the later ones are counted, and ``note_pending`` adds one for them all.

        What ``about_of`` the details returns is counted apart, and so is each transmission with its details, up to a
        limit.
        """
        apart = None if transmission_id is None else {**(details or {}), "transmission_id": str(transmission_id)}
        if self._pending.count(now, actor, kind, about_of(details), apart):
            self.note(now, actor, kind, details, transmission_id)

    def count_more(self, now: datetime, actor: Actor, kind: Kind, about: str, times: int) -> None:
        """Count several more of what ``note_often`` has added an entry for."""
        self._pending.count_more(now, actor, kind, about, times)

    def pending_due(self, now: datetime, begun_before: datetime) -> bool:
        """Whether ``note_pending`` has something to do."""
        return self._pending.due(begun_before, now)

    def note_pending(self, now: datetime, begun_before: datetime | None = None) -> None:
        """Add the entries of what was counted, all of it or what began before a time."""
        for pending in self._pending.take(now, begun_before):
            said: dict[str, Value] = {
                "times": pending.times,
                "since": rfc3339(pending.since),
                "until": rfc3339(pending.until),
            }
            said |= {"of": pending.about} if pending.about else {}
            about: UUID | None = None
            if len(pending.each) == 1 and pending.each[0]["times"] == pending.times:
                about, said = _alone(pending.each[0], said)
            elif pending.each:
                said |= {"each": pending.each}
            self.note(now, pending.actor, pending.kind, said, about)

    def flush(self) -> None:
        """Sign and write the lines of the entries, as the last thing of the transaction.

        Raises:
            LedgerBusyError: another transaction holds the head for too long.
            LedgerNotKeptError: the database has not kept a line, or the head.
        """
        if not self._entries:
            return
        assert self._signer is not None  # noqa: S101 - only a migration has none, and it notes nothing
        if self.stamps:
            last = self._entries[-1]
            replaced = {name: self.replaced[name] for name in self.stamps if name in self.replaced}
            said = {"stamps": self.stamps, "stamps_before": replaced}
            self._entries[-1] = replace(last, details={**last.details, **said})
        writer = _Writer(self._connection, self._signer, self._missing_key)
        for entry in self._entries:
            writer.write(entry)
        writer.finish()
        self.written = writer.written
        self._entries, self.stamps, self.replaced = [], {}, {}

    def rotate_key(self, now: datetime, actor: Actor) -> None:
        """Let a new key sign from here on; the entries noted so far are signed by the old one."""
        self.flush()
        assert self._signer is not None  # noqa: S101 - as above
        writer = _Writer(self._connection, self._signer, self._missing_key)
        writer.rotate(now, actor)
        writer.finish()
        self.written += writer.written

    def head(self) -> Head:
        """Return the latest line's place and digest, as the head has it; the beginning if it cannot be read."""
        row = next(full_rows(self._connection.execute(_HEAD)), None)
        return Head(0, FIRST_PREV) if row is None else Head(row.seq, row.sha256)

    def keys(self) -> StoredKeys:
        """Return the sealed keys, as far as they can be read."""
        rows = [row for row in readable_rows(self._connection.execute(_KEYS)) if None not in row[:2]]
        signs = next((row.key_id for row in rows if row.id is not None), None)
        installation = rows[0].installation if rows else None
        return StoredKeys(signs, {row.key_id: bytes(row.sealed) for row in rows}, installation or NOWHERE)

    def lines(
        self, after: int = 0, limit: int = 1000, kind: str | None = None, actor: str | None = None
    ) -> tuple[StoredLine, ...]:
        """Return lines with a place above ``after``, oldest first."""
        query = _filtered(_LINES.where(LineRow.seq > after), kind, actor)
        return self._stored(query.order_by(LineRow.seq).limit(limit))

    def line(self, seq: int) -> StoredLine | None:
        """Return the line at a place."""
        found = self._stored(_LINES.where(LineRow.seq == seq))
        return found[0] if found else None

    def latest(
        self, limit: int, before: int | None = None, kind: str | None = None, actor: str | None = None
    ) -> tuple[StoredLine, ...]:
        """Return lines with a place below ``before``, newest first."""
        query = _filtered(_LINES.order_by(LineRow.seq.desc()).limit(limit), kind, actor)
        if before is not None:
            query = query.where(LineRow.seq < before)
        return self._stored(query)

    def page(
        self,
        limit: int,
        *,
        before: int | None = None,
        after: int | None = None,
        which: LedgerFilter = _ALL,
    ) -> tuple[StoredLine | UnreadableLine, ...]:
        """Return lines to be shown, whether they can be read or not, as ``latest`` or ``lines`` does."""
        query = _filtered(_LINES, which.kind and which.kind.value, which.actor).where(LineRow.seq <= MOST)
        query = query.where(*within(LineRow.at, which.from_day, which.to_day))
        if before is not None:
            query = query.where(LineRow.seq < before)
        if after is not None:
            query = query.where(LineRow.seq > after)
        query = query.order_by(LineRow.seq.desc() if after is None else LineRow.seq).limit(limit)
        try:
            return self._stored(query)
        except RowUnreadableError:
            places = [row[0] for row in full_rows(self._connection.execute(query.with_only_columns(LineRow.seq)))]
            return tuple(self._shown(place) for place in places)

    def _shown(self, seq: int) -> StoredLine | UnreadableLine:
        try:
            return self._stored(_LINES.where(LineRow.seq == seq))[0]
        except RowUnreadableError as error:
            lines = self._connection.execute(select(LineRow.line).where(LineRow.seq == seq))
            return UnreadableLine(seq, error.column, next((row[0] for row in readable_rows(lines)), None))

    def oldest_but(self, kind: Kind, limit: int) -> tuple[StoredLine, ...]:
        """Return the first lines that are not of a kind."""
        return self._stored(_LINES.where(LineRow.kind != kind.value).order_by(LineRow.seq).limit(limit))

    def of_transmission(self, transmission_id: UUID) -> tuple[StoredLine, ...]:
        """Return the lines about a transmission that can be read, oldest first."""
        rows = readable_rows(self._connection.execute(_ABOUT, {"transmission_id": transmission_id}))
        return tuple(StoredLine(*row) for row in rows if None not in row)

    def since_first_of(self, transmission_id: UUID) -> Generator[tuple[StoredLine, Head], None, None]:
        """Yield all lines from the first about a transmission on, oldest first, each with the head.

        One statement reads them all, so they belong together even if others write lines meanwhile.
        """
        about, in_steps = {"transmission_id": transmission_id}, {"yield_per": _STEP}
        with self._connection.execute(_SINCE_FIRST, about, execution_options=in_steps) as rows:
            for *line, seq, sha256 in rows:
                yield StoredLine(*filled(line, _LINE_COLUMNS)), Head(seq, sha256)

    def since(self, seq: int, limit: int) -> tuple[tuple[tuple[int, str], ...], Head]:
        """Return the places and texts of the lines above one up to the head, oldest first, with the head.

        Raises:
            RowUnreadableError: one of them cannot be read, or there is no head.
        """
        found: Iterable[Sequence[Any]] = self._connection.execute(_SINCE, {"after": seq, "most": limit})
        rows = [filled(row, (HeadRow.seq, HeadRow.sha256)) for row in found]
        if not rows:
            raise RowUnreadableError(HeadRow.__tablename__)
        return tuple((row[2], row[3]) for row in rows if row[2] is not None), Head(rows[0][0], rows[0][1])

    def of_kind(self, kind: Kind) -> StoredLine | None:
        """Return the latest line of a kind."""
        found = self.latest(1, kind=kind.value)
        return found[0] if found else None

    def latest_of(self, kinds: Sequence[Kind]) -> StoredLine | None:
        """Return the latest line of any of several kinds."""
        asked = _LINES.where(LineRow.kind.in_([kind.value for kind in kinds]))
        found = self._stored(asked.order_by(LineRow.seq.desc()).limit(1))
        return found[0] if found else None

    def salted(self, digests: set[str]) -> dict[str, bytes]:
        """Return what the salted digests stand for, as far as it was not erased."""
        rows = full_rows(self._connection.execute(_SALTED, {"digests": tuple(digests)}))
        return {row.sha256: bytes(row.salted) for row in rows}

    def salted_after(self, sha256: str, limit: int) -> tuple[tuple[str, bytes], ...]:
        """Return what is kept under salted digests above ``sha256``, in their order."""
        query = select(SaltedRow.sha256, SaltedRow.salted).where(SaltedRow.sha256 > sha256)
        rows = full_rows(self._connection.execute(query.order_by(SaltedRow.sha256).limit(limit)))
        return tuple((row.sha256, bytes(row.salted)) for row in rows)

    def checkpoint(self) -> str | None:
        """Return the signed end of what was pruned; None while nothing was, or it cannot be read."""
        return next((row[0] for row in readable_rows(self._connection.execute(select(HeadRow.checkpoint)))), None)

    def last_before(self, at: datetime) -> int:
        """Return the number of the entry before the first one of ``at`` or later; -1 if that is the first of all."""
        first = self._connection.execute(select(func.min(LineRow.seq)).where(LineRow.at >= at)).scalar()
        if first is None:
            return self.head().seq
        older = self._connection.execute(select(LineRow.seq).where(LineRow.seq < first).limit(1)).first()
        return -1 if older is None else int(first) - 1

    def count(self) -> int:
        """Return the number of lines."""
        return self._connection.execute(select(func.count()).select_from(LineRow)).scalar_one()

    def _stored(self, query: Select[Any]) -> tuple[StoredLine, ...]:
        return tuple(StoredLine(*filled(row, _LINE_COLUMNS)) for row in self._connection.execute(query))


class _Writer:
    """Writes lines behind the head, which it locks."""

    def __init__(self, connection: Connection, signer: Signer, missing_key: KeyReason) -> None:
        self._connection, self._signer, self._missing_key = connection, signer, missing_key
        self._rows: list[dict[str, object]] = []
        self._salter = Salter()
        self.written: list[Head] = []
        head = self._readable_head()
        self._seq, self._prev = head.seq, head.sha256
        self._at = written_at(head.line, head.sha256) or head.at
        self._key_id: str | None = head.key_id
        self._sealed: bytes | None = head.sealed
        self._installation: UUID = head.installation or NOWHERE

    def write(self, entry: Entry) -> None:
        """Sign an entry. If the key cannot be opened, or there is none, a new one takes over, and a line says why."""
        self._have_key(entry.at)
        self._note_clock(entry.at)
        try:
            self._sign(entry)
        except KeyUnusableError:
            self._take_new_key(entry.at, KeyReason.LOST)
            self._sign(entry)

    def rotate(self, now: datetime, actor: Actor) -> None:
        """Announce a new key in a line that the old one signs, and let the new one confirm it."""
        self._have_key(now)
        assert self._key_id is not None and self._sealed is not None  # noqa: S101, PT018 - it has one now
        new, old_id, old_sealed = self._signer.make(self._installation), self._key_id, self._sealed
        self._sign(_about_key(now, actor, new, KeyReason.ROTATED))
        retired = self._signer.retire(old_id, old_sealed, self._installation)
        self._connection.execute(update(KeyRow).where(KeyRow.key_id == old_id).values(sealed=retired))
        self._seal_again()
        self._use(new)
        self._sign(_about_key(now, actor, new, KeyReason.CONFIRMED))

    def finish(self) -> None:
        """Store the lines, what their salted digests stand for, and the new head."""
        self._connection.execute(_NEW_LINE, self._rows)
        if self._salter.kept:
            at = self._rows[-1]["at"]
            kept = [{"sha256": digest, "salted": salted, "at": at} for digest, salted in self._salter.kept.items()]
            self._connection.execute(_NEW_SALTED, kept)
        head = {"seq": self._seq, "sha256": self._prev, "at": self._at, "key_id": self._key_id}
        self._connection.execute(_MOVE_HEAD, head)
        self._read_back()

    def _read_back(self) -> None:
        """Compare what the database has now: someone may have added a trigger that drops a line or changes it."""
        lines = [(row["seq"], row["line"]) for row in self._rows]
        asked = {"after": self._seq - len(lines), "most": len(lines) + 1}
        found = [tuple(row) for row in self._connection.execute(_SINCE, asked)]
        if found != [(self._seq, self._prev, *line) for line in lines]:
            raise LedgerNotKeptError

    def _readable_head(self) -> Any:  # noqa: ANN401 - a row of the query below
        try:
            return self._lock_head()
        except RowUnreadableError:
            # As if someone had deleted it. They must not be able to stop whatever has an entry.
            self._connection.execute(delete(HeadRow))
            return self._lock_head()

    def _lock_head(self) -> Any:  # noqa: ANN401 - a row of the query below
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql(_HEAD_LOCK)
        with _head_awaited():
            found = self._connection.execute(_LOCKED_HEAD).one_or_none()
        if found is None:
            # Someone has deleted it. The chain continues after the last line that is left.
            self._restore_head()
            self._connection.execute(_LOCKED_HEAD).one()
        # A separate statement: after a wait, the one that locks sees the head's new row, but the other tables as they
        # were before the wait, and would miss the key that the holder has written.
        head = self._read_head()
        moved = head.follows == head.seq + 1 or not 0 <= head.seq < _NO_HEAD_IS_HERE
        if moved:  # Someone has set it back or far ahead, or written a line behind it.
            last = self._last_line()
            self._connection.execute(update(HeadRow).values(seq=last.seq, sha256=last.sha256))
            return self._read_head()
        return head

    def _read_head(self) -> Any:  # noqa: ANN401 - as above
        return filled(self._connection.execute(_HEAD_AND_KEY).one(), (HeadRow.seq, HeadRow.sha256))

    def _restore_head(self) -> None:
        last = self._last_line()
        row = upsert.insert(self._connection, HeadRow).values(id=1, seq=last.seq, sha256=last.sha256, key_id=_GONE)
        self._connection.execute(row.on_conflict_do_nothing())

    def _last_line(self) -> Head:
        lines = select(LineRow.seq, LineRow.line).where(LineRow.seq < _NO_LINE_IS_HERE)
        found = self._connection.execute(lines.order_by(LineRow.seq.desc()).limit(_STEP))
        last = next(full_rows(found), None)
        return Head(0, FIRST_PREV) if last is None else Head(last.seq, digest_of(last.line))

    def _have_key(self, now: datetime) -> None:
        if self._key_id is None:
            self._take_new_key(now, self._missing_key)
        elif self._sealed is None:
            self._take_new_key(now, KeyReason.LOST)

    def _take_new_key(self, now: datetime, reason: KeyReason) -> None:
        new = self._signer.make(self._installation)
        self._use(new)
        self._sign(_about_key(now, SERVICE, new, reason))

    def _seal_again(self) -> None:
        """Seal the earlier keys under the newest key of the deployment, so that an older one of it can be removed."""
        for row in list(full_rows(self._connection.execute(select(KeyRow.key_id, KeyRow.sealed)))):
            with suppress(KeyUnusableError):  # It stays, and the entries that it signed cannot be verified here.
                sealed = self._signer.seal_again(row.key_id, bytes(row.sealed), self._installation)
                self._connection.execute(update(KeyRow).where(KeyRow.key_id == row.key_id).values(sealed=sealed))

    def _use(self, new: NewKey) -> None:
        self._connection.execute(insert(KeyRow).values(key_id=new.key_id, sealed=new.sealed))
        self._key_id, self._sealed = new.key_id, new.sealed

    def _note_clock(self, now: datetime) -> None:
        if self._at is not None and now < self._at - CLOCK_TOLERANCE:
            self._sign(Entry(now, SERVICE, Kind.CLOCK_MOVED, details={"before": rfc3339(self._at)}))

    def _sign(self, entry: Entry) -> None:
        assert self._key_id is not None and self._sealed is not None  # noqa: S101, PT018 - it has one now
        claims = claims_of(entry, self._seq + 1, self._prev, self._salter)
        line = self._signer.sign(self._key_id, self._sealed, self._installation, claims)
        self._seq, self._prev, self._at = self._seq + 1, digest_of(line), entry.at
        self.written.append(Head(self._seq, self._prev))
        self._rows.append(
            {
                "seq": self._seq,
                "line": line,
                "kind": entry.kind.value,
                "at": entry.at,
                "actor": index_of(entry.actor),
                "transmission_id": entry.transmission_id,
            }
        )


def _alone(it: Mapping[str, Any], said: Mapping[str, Value]) -> tuple[UUID | None, dict[str, Value]]:
    """Return the transmission that was all that an actor has read again, and what the entry about it says."""
    named = {name: value for name, value in it.items() if name != "transmission_id"}
    try:
        return UUID(it.get("transmission_id")), {**named, **said}
    except (ValueError, TypeError, AttributeError):  # Someone has written something else there.
        return None, dict(said)


def about_of(details: Mapping[str, Value] | None) -> str:
    """Return what an entry is about if its kind has several, or why it was written: these are counted apart."""
    said = details or {}
    return str(said.get("of") or said.get("reason") or "")


_GONE = "-"
"""In place of a key's ID, after the head was deleted: there was a key, but it is unknown which."""


@contextmanager
def _head_awaited() -> Iterator[None]:
    try:
        with translated():
            yield
    except StorageBusyError:
        raise LedgerBusyError from None


def _about_key(now: datetime, actor: Actor, key: NewKey, reason: KeyReason) -> Entry:
    details = {"public_key": key.public_key, "fingerprint": key.fingerprint, "reason": reason.value}
    return Entry(now, actor, Kind.LEDGER_KEY, details=details)


def index_of(actor: Actor) -> str:
    """Return what the index says of an actor: never the name of a person, because the index is not erased with it."""
    return actor.kind.value if actor.id is None or actor.personal else f"{actor.kind.value} {actor.id}"


def _filtered(query: Select[Any], kind: str | None, actor: str | None) -> Select[Any]:
    """Filter lines by their kind, and by an actor or a kind of actors: ``token tkn_7`` or ``token``."""
    if kind is not None:
        query = query.where(LineRow.kind == kind)
    if actor is not None:
        query = query.where(or_(LineRow.actor == actor, LineRow.actor.startswith(f"{actor} ", autoescape=True)))
    return query


def each_line(store: LedgerStore, after: int = 0, step: int = 1000) -> Iterator[StoredLine]:
    """Yield all lines above ``after``, oldest first, in steps."""
    while found := store.lines(after, step):
        yield from found
        after = found[-1].seq
