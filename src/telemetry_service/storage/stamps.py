"""Stamps: a keyed digest beside each row that decides what is sent, or whether.

Anyone who can only write to the database cannot make one. The ledger's entry about a change repeats the number of the
new stamp, so that an older row with its older stamp is found as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from secrets import token_hex
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection, RowMapping, Select, bindparam, select, update

from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.errors import NotVerifiedYetError, RowUnreadableError
from telemetry_service.domain.verification import Verification
from telemetry_service.storage.installation_id import INSTALLATION as INSTALLATION_ID
from telemetry_service.storage.ledger import LedgerStore
from telemetry_service.storage.tables import (
    AnnouncedSchema,
    Base,
    Installation,
    LicensePostureRow,
    TelemetryConfiguration,
)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A row as it is, with its stamp."""

    row: ChangedRow
    """What it would be called if it was changed."""
    name: str
    """Different for every row."""
    content: bytes
    stamp: bytes | None
    """None in a row that a version without stamps has written, or someone else."""

    @property
    def number(self) -> str:
        """The random number in its stamp, in hex: another one each time that the row is written."""
        return number_of(self.stamp or b"")


class Stamper(Protocol):
    """Makes and checks stamps."""

    def stamp(self, name: str, content: bytes, number: bytes | None = None) -> bytes:
        """Return the stamp of a row, with a new number, or the one that it had."""
        ...

    def is_intact(self, stamped: Stamped) -> bool:
        """Whether a row is as this installation has stamped it."""
        ...


NUMBER_BYTES = 16
GONE = "gone"
"""Begins what is in place of the number of a stamp whose row was removed. It is empty in older entries."""

OVERLAP = "api_key_overlap"
"""The API key before the present one has no stamp: its number is sealed with it. Entries repeat it by this name."""


OFF = "telemetry_off"
"""Nor has what entries repeat by this name: that telemetry is off since, until it is said to be gone."""
DEPLOYED = "deployment"
"""And a digest of what the deployment has set last, so that no one can hide the latest entry about it from a start."""
WITHOUT_ROW = frozenset({OVERLAP, OFF, DEPLOYED})


def number_of(stamp: bytes) -> str:
    """Return the number in a stamp, in hex."""
    return stamp[:NUMBER_BYTES].hex()


def gone() -> str:
    """Return what is in place of the number of a row that was removed: different each time, as a number is."""
    return f"{GONE} {token_hex(NUMBER_BYTES)}"


def is_gone(number: str) -> bool:
    """Whether this is in place of the number of a row that was removed."""
    return not number or number.startswith(GONE)


@dataclass(frozen=True, slots=True)
class StampedTable:
    """A table whose rows have stamps."""

    row: ChangedRow
    table: type[Base]
    columns: tuple[str, ...]
    """What the stamp covers. An empty column is left out, so that one that is added later breaks no stamp."""
    key: str | None = None
    """The column that tells its rows apart; None if there is only one."""
    renumbered: bool = True
    """Whether each change of a row has an entry, which repeats the new number; else its number stays."""

    def read(self, row: RowMapping) -> Stamped:
        """Return one of its rows, alone or joined with others."""
        columns = self.table.__table__.c
        said = {name: _written(row[columns[name]]) for name in self.columns if row[columns[name]] is not None}
        said["installation"] = str(row["installation"])  # A row of another database does not fit here.
        key = None if self.key is None else str(said.get(self.key))
        return Stamped(self.row, self.name_of(key), json.dumps(said, sort_keys=True).encode(), row[columns["stamp"]])

    def is_named(self, name: str) -> bool:
        """Whether one of its rows has this name."""
        return name.partition(" ")[0] == self.row.value

    def name_of(self, key: str | None) -> str:
        """Return the name of a row."""
        return self.row.value if key is None else f"{self.row.value} {key}"


CONFIGURATION = StampedTable(
    ChangedRow.SETTINGS,
    TelemetryConfiguration,
    (
        *("version", "enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days", "updated_at"),
        # What is sealed is bound to its place, and must be the key that the row names.
        *("api_key_id", "api_key_hint", "api_key_set_at"),
    ),
)
INSTALLATION = StampedTable(ChangedRow.INSTALLATION, Installation, ("instance_id", "created_at", "restored_at"))
LICENSE = StampedTable(
    ChangedRow.LICENSE,
    LicensePostureRow,
    (
        *("customer_id", "tier", "license_status", "expires_at", "source", "updated_at"),
        *("token_issued_at", "token_expires_at", "token_refreshed_at"),
    ),
)
ANNOUNCED = StampedTable(
    ChangedRow.ANNOUNCEMENT,
    AnnouncedSchema,
    ("schema_sha256", "announced_at", "settled_at"),
    key="schema_sha256",
    # The end of a notice has no entry. One who brings the row from before back only makes payloads wait again.
    renumbered=False,
)
STAMPED = (CONFIGURATION, INSTALLATION, LICENSE, ANNOUNCED)
"""All of them."""


class StampStore:
    """Stamps rows in the transaction that writes them."""

    def __init__(self, connection: Connection, stamper: Stamper | None, ledger: LedgerStore) -> None:
        """Work within the transaction of ``connection``. Without a ``stamper``, nothing is stamped or checked."""
        self._connection, self._stamper, self._ledger = connection, stamper, ledger
        self._distrusted: frozenset[str] = frozenset()
        self._otherwise: set[str] = set()
        """The rows that the database holds otherwise than this transaction has written them."""
        self._written: dict[str, bytes] = {}
        """The content of the rows that it holds as this transaction has written them."""
        self._relied_on: dict[str, bytes] = {}
        """The content of the rows that this transaction has compared with their stamps, or has stamped."""
        self._relies_on_all = False
        """Whether these are all rows of the tables that have only one."""

    def rely_on_all(self, rows: Iterable[Stamped]) -> None:
        """Let this transaction use no other content of the rows that decide: these are all, and fit their stamps."""
        self._relied_on.update({it.name: it.content for it in rows})
        self._relies_on_all = True

    def confirm(self, of: StampedTable, found: Stamped | None) -> None:
        """Compare the only row of a table, as it was read for use, with what this transaction relies on.

        Otherwise a trigger could change a row after it was compared with its stamp, and put it back after its use.

        Raises:
            NotVerifiedYetError: someone has changed it since.
        """
        name = of.row.value
        if name in self._otherwise or not (self._relies_on_all or name in self._relied_on):
            return
        if (None if found is None else found.content) != self._relied_on.get(name):
            raise NotVerifiedYetError

    def confirm_now(self, of: StampedTable) -> None:
        """Read the only row of a table, and do the same, if this transaction relies on it."""
        if self._relies_on_all or of.row.value in self._relied_on:
            self.confirm(of, next(iter(self._readable(of)), None))

    def doubts(self, of: StampedTable) -> bool:
        """Whether someone else has changed the only row of a table, as far as this transaction knows.

        Then it may be another one a moment later, whatever it says now.
        """
        return of.row.value in self._distrusted or not all(map(self._is_intact, self._readable(of)))

    def void(self, of: StampedTable) -> None:
        """Let neither the only row of a table fit any longer nor one from before, until a person approves it."""
        self._say_another([of.row.value], {it.name: it.number for it in self._readable(of)})

    def rows(self, of: StampedTable, key: str | None = None) -> Iterator[Stamped]:
        """Yield the rows of a table, or the one with a key."""
        query = _rows(of) if key is None else _row(of)
        for row in self._connection.execute(query, {"key": key}).mappings().all():
            yield of.read(row)

    def all(self) -> tuple[Stamped, ...]:
        """Return all rows that have stamps; one that cannot be read does not fit."""
        return tuple(stamped for table in STAMPED for stamped in self._readable(table))

    def _readable(self, of: StampedTable) -> tuple[Stamped, ...]:
        try:
            return tuple(self.rows(of))
        except RowUnreadableError:
            return (Stamped(of.row, of.row.value, b"", None),)

    @contextmanager
    def kept(
        self, of: StampedTable, key: str | None = None, meant: Mapping[str, object] | None = None
    ) -> Iterator[None]:
        """Stamp a row after it was changed, unless someone else had changed it before: then its stamp does not fit.

        ``meant`` are the values that are written, by their columns. If something in the database, such as a trigger,
        has made others of them, or has changed another column, the row is not stamped, and its old stamp is void.
        """
        before = tuple(self.rows(of, key))
        yield
        self.changed(of, key, before, meant)

    def changed(
        self, of: StampedTable, key: str | None, before: Sequence[Stamped], meant: Mapping[str, object] | None = None
    ) -> None:
        """Stamp a row in the same way; ``before`` is how it was."""
        numbers = {it.name: it.number for it in before}
        if meant is not None:
            found = {it.name: it for it in self.rows(of, key)}
            self._void({name for name, it in found.items() if not _is_as_meant(of, it, before, meant)}, numbers)
            self._written.update({name: it.content for name, it in found.items() if name not in self._otherwise})
        if of.name_of(key) in self._distrusted or not all(map(self._is_intact, before)):
            if of.renumbered:
                self._say_another({it.name for it in self.rows(of, key)}, numbers)
            return
        if of.renumbered or not before:
            self.renew(of, key, numbers)
        else:
            self._stamp_again(of, (it for it in self.rows(of, key) if it.name not in self._otherwise))

    def _void(self, names: set[str], numbers: Mapping[str, str]) -> None:
        self._otherwise |= names
        self._say_another(names, numbers)

    def _say_another(self, names: Iterable[str], numbers: Mapping[str, str]) -> None:
        """Let the ledger say a number that no stamp of these rows has: what was undone would fit the old one."""
        for name in names:
            self._ledger.stamped(name, token_hex(NUMBER_BYTES), numbers.get(name))

    def renew(self, of: StampedTable, key: str | None = None, numbers: Mapping[str, str] | None = None) -> None:
        """Stamp a row, or all rows of a table, as they are now; ``numbers`` are those that they had."""
        if self._stamper is None:
            return
        for stamped in self.rows(of, key):
            if stamped.name in self._otherwise:
                continue
            stamp = self._stamper.stamp(stamped.name, stamped.content)
            self._write(of, stamped, stamp)
            self._relied_on[stamped.name] = stamped.content
            self._ledger.stamped(stamped.name, number_of(stamp), (numbers or {}).get(stamped.name))
        # What a trigger has made of a row meanwhile, another could put back, and the row would fit.
        changed = {it.name for it in self.rows(of, key) if self._relied_on.get(it.name) != it.content}
        self._void(changed - self._otherwise, numbers or {})

    def distrust(self, names: Iterable[str]) -> None:
        """Stamp none of these rows when they are written: someone has put an older one in the place, or removed it."""
        self._distrusted = frozenset(names)

    def gone(self, of: StampedTable, key: str) -> None:
        """Let the ledger say that a row was removed."""
        self._ledger.stamped(of.name_of(key), gone())

    def renew_all(self, known: Mapping[str, str], seen: Iterable[Stamped]) -> None:
        """Stamp all rows as they are now, unless a trigger has changed one because of what this transaction wrote.

        Of the rows in ``known``, the ledger then says which are gone.

        Args:
            known: The numbers that the ledger says so far, whatever the rows have.
            seen: All rows before this transaction has written anything.
        """
        self._ledger.replaced.update(known)
        were = {it.name: it.content for it in seen} | self._written
        for table in STAMPED:
            with suppress(RowUnreadableError):  # It stays as it is: nothing is sent with it.
                self._void({it.name for it in self.rows(table) if were.get(it.name) != it.content}, known)
                self.renew(table)
        left = {name for name, number in known.items() if not is_gone(number)}
        for name in left - {*WITHOUT_ROW, *were, *(stamped.name for stamped in self.all())}:
            self._ledger.stamped(name, gone())

    def seal_again(self) -> None:
        """Stamp the rows that are intact under the newest key of the deployment, with the numbers that they have."""
        for table in STAMPED:
            intact = [stamped for stamped in self._readable(table) if self._is_intact(stamped)]
            self._stamp_again(table, intact)

    def _stamp_again(self, of: StampedTable, rows: Iterable[Stamped]) -> None:
        """Stamp rows with the numbers that they have."""
        for stamped in rows:
            if self._stamper is not None and stamped.stamp is not None:
                number = stamped.stamp[:NUMBER_BYTES]
                self._write(of, stamped, self._stamper.stamp(stamped.name, stamped.content, number))

    def _is_intact(self, stamped: Stamped) -> bool:
        return self._stamper is not None and self._stamper.is_intact(stamped)

    def _write(self, of: StampedTable, stamped: Stamped, stamp: bytes) -> None:
        changed = update(of.table)
        if of.key is not None:
            changed = changed.where(of.table.__table__.c[of.key] == json.loads(stamped.content)[of.key])
        self._connection.execute(changed.values(stamp=stamp))


@cache
def _rows(of: StampedTable) -> Select[Any]:
    return select(of.table.__table__, INSTALLATION_ID)


@cache
def _row(of: StampedTable) -> Select[Any]:
    return _rows(of) if of.key is None else _rows(of).where(of.table.__table__.c[of.key] == bindparam("key"))


def _is_as_meant(of: StampedTable, found: Stamped, before: Iterable[Stamped], meant: Mapping[str, object]) -> bool:
    """Whether a row has the values that were written, and otherwise those from before."""
    said = json.loads(found.content)
    kept: dict[str, object] = next((json.loads(it.content) for it in before if it.name == found.name), {})
    written = {name: _written(value) for name, value in meant.items() if name in of.columns}
    expected = {**kept, **json.loads(json.dumps(written)), "installation": said["installation"]}
    return bool({name: value for name, value in expected.items() if value is not None} == said)


def _written(value: Any) -> object:  # noqa: ANN401 - whatever a column holds
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID):
        return str(value)
    return value.value if isinstance(value, Enum) else value


def numbers_in(claims: Mapping[str, Any], of: str = "stamps") -> dict[str, str]:
    """Return the numbers of the stamps that an entry of the ledger repeats, by the names of their rows."""
    said = claims.get(of)
    return {str(name): str(number) for name, number in said.items()} if isinstance(said, dict) else {}


@dataclass(frozen=True, slots=True)
class SaidNumber:
    """The number of a stamp, as an entry that we have signed for its place says it."""

    name: str
    """Of the row."""
    number: str
    replaces: str | None
    """The number before it."""
    seq: int


def said_numbers(claims: Mapping[str, Any], seq: int) -> tuple[SaidNumber, ...]:
    """Return what a signed entry says of stamps."""
    before = numbers_in(claims, "stamps_before")
    return tuple(SaidNumber(name, number, before.get(name), seq) for name, number in numbers_in(claims).items())


def latest_numbers(verdict: Verification | None, said: Iterable[SaidNumber]) -> dict[str, str]:
    """Return the number that each row must have.

    Times are no order, and places are none once the ledger was replaced by an older one. So behind the latest entry
    that a verification has seen, the last one counts. Before it, someone may have deleted what was seen: there, only
    an entry counts that replaces what is known, and names its number.

    Args:
        verdict: What the latest verification knows; None if there was none.
        said: What the entries that are there say, oldest first.
    """
    known, seen = ({}, 0) if verdict is None else (verdict.stamps, verdict.seen)
    numbers = dict(known)
    for it in said:
        if it.name not in known or it.seq > seen or (it.replaces and it.replaces == numbers[it.name]):
            numbers[it.name] = it.number
    return numbers
