"""The source: one short, read-only transaction for each look, which reads the views in bounded steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode
from telemetry_service.domain.source import (
    BOUNCERS,
    CODES,
    EVENTS,
    Anchor,
    Begun,
    Counts,
    Cursor,
    Horizon,
    Snapshot,
    Span,
    SpanNumbers,
    Step,
    is_environment,
    is_opaque_id,
)
from telemetry_service.domain.source_errors import (
    SourceDeniedError,
    SourceRepeatedError,
    SourceRestoredError,
    SourceRowRefusedError,
    SourceSchemaError,
)
from telemetry_service.source import statements
from telemetry_service.source.dialect import Dialect, Parameters
from telemetry_service.source.failures import source_errors
from telemetry_service.storage.deadline import Deadline, Patience

PATIENCE = Patience(transaction=15, statement=8, lock=2)
"""The limits of one look, in seconds."""

COUNTING_SECONDS = 300
"""How long it may take to count all rows for a catch-up: one statement, which only a command waits for."""

_SQLITE = "sqlite:///"


class SourceDatabase:
    """The database that the deployment names. It raises only ``SourceError``."""

    def __init__(self, url: str, patience: Patience = PATIENCE) -> None:
        """Prepare an engine; nothing is connected yet."""
        self._engine, self._dialect = _engine(url, patience)

    @contextmanager
    def look(self, seconds: float = PATIENCE.transaction) -> Iterator["Look"]:
        """Open a transaction that sees the source at one moment and ends after ``seconds``."""
        with source_errors(), Deadline(seconds).applied(), self._engine.connect() as connection, connection.begin():
            yield Look(connection, self._dialect)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _engine(url: str, patience: Patience) -> tuple[Engine, Dialect]:
    if url.startswith(_SQLITE):
        from telemetry_service.source.sqlite import SQLITE, make_sqlite_engine

        return make_sqlite_engine(url.removeprefix(_SQLITE), patience), SQLITE
    from telemetry_service.source.postgresql import POSTGRESQL, make_postgresql_engine

    return make_postgresql_engine(url, patience), POSTGRESQL


class Look:
    """One look at the source."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        """Work within the transaction of ``connection``."""
        self._connection = connection
        self._dialect = dialect

    def require_contract(self) -> None:
        """Check that the views are as documented and may be read.

        Raises:
            SourceSchemaError: a view or a column is missing, not documented, or of another type.
            SourceDeniedError: the role may not read a view.
        """
        if problems := self._dialect.problems(self._connection):
            raise SourceSchemaError(problems)
        if denied := self._dialect.denied(self._connection):
            raise SourceDeniedError(denied)

    def warnings(self) -> tuple[str, ...]:
        """Return what works, but should be different.

        Raises:
            SourceRepeatedError: a file has several rows with one position.
        """
        found = (*self._dialect.warnings(self._connection), *self._repeated())
        if self._connection.execute(text(statements.without_position())).first() is not None:
            return (*found, f"{EVENTS} has rows without a position. They are never counted.")
        return found

    def _repeated(self) -> tuple[str, ...]:
        found = next(iter(self._read(statements.repeated(self._dialect))), None)
        if found is None:
            return ()
        if found[1] is None:
            raise SourceRepeatedError(found[0])
        place = f"the position {found[0]} and the row_key {found[1]}"
        return (
            f"Several rows of {EVENTS} have {place}. Each of them counts. If they are one event, correct the view.",
        )

    def horizon(self) -> Horizon:
        """Return what can be read now."""
        return self._dialect.horizon(self._connection)

    def went_back(self, cursor: Cursor, horizon: Horizon) -> bool:
        """Whether the source is an older copy of what was read."""
        return self._dialect.went_back(self._connection, cursor, horizon)

    def anchor(self, begun: Begun) -> Anchor | None:
        """Return the newest row that was read, as it is now; None if no row up to the cursor is left.

        Raises:
            SourceRestoredError: the source is an older copy of what was read.
        """
        era, known = self._dialect.era(self._connection), begun.anchor
        found = self._said(*statements.at(self._dialect, known.position, known.row_key)) if known else ()
        # Which of so many rows was read last is not looked for, so it may be any of them.
        if known is not None and (len(found) > statements.COMPARED or known.digest in {it[2] for it in found}):
            return replace(known, era=era)
        newest = self.newest(begun.cursor)
        if known and known.is_missing_in([it[2] for it in found], era, older_rows=newest is not None):
            raise SourceRestoredError
        return newest

    def newest(self, cursor: Cursor) -> Anchor | None:
        """Return the newest row that is not behind a cursor; None if there is none."""
        found = self._said(*statements.newest(self._dialect, cursor))
        return Anchor(*found[0], self._dialect.era(self._connection)) if found else None

    def _said(self, statement: str, given: Parameters) -> list[tuple[int, str | None, str]]:
        """Return position, key, and the digest of what tells each row from another one at its place."""
        rows = [tuple(row) for row in self._read(statement, **given)]
        return [(int(row[0]), row[1], sha256(repr(row).encode()).hexdigest()) for row in rows]

    def there(self) -> Snapshot | None:
        """Return what is there already although it is not final; None for nothing."""
        return self._dialect.there_now(self._connection)

    def step(self, cursor: Cursor, share: int, span: Span | None = None, apart_from: Snapshot | None = None) -> Step:
        """Add up the next rows behind ``cursor``; of a ``span``, only those that occurred in it count.

        What was there by the moment ``apart_from`` does not count.

        It reads as many rows as a step has, divided by ``share``.

        If one of the rows cannot be counted, the step ends before it.

        Raises:
            SourceRowRefusedError: the first row cannot be counted.
            SourceRepeatedError: a file has several rows with one position.
        """
        rows = max(self._dialect.rows // share, 1)
        query = statements.rows_behind(self._dialect, cursor, span, apart_from)
        step = self._step(cursor, rows, query)
        return step if step.acceptable else self._step(cursor, self._acceptable(rows, query), query)

    def _step(self, cursor: Cursor, rows: int, query: tuple[str, Parameters]) -> Step:
        found = self._read(statements.grouped(self._dialect, query[0]), **query[1], rows=rows)
        if not found:
            return Step({}, 0, cursor)
        counts = {(row[0], row[1]): Counts(*(int(number) for number in row[2:5])) for row in found if row[2]}
        refused = any(_refused_column(row[0], row[1], row[2], row[5]) for row in found)
        if found[0][9] or self._is_repeated(found[0][7], found[0][8]):
            raise SourceRepeatedError(found[0][7])
        number = sum(row[6] for row in found)
        if refused:
            return Step({}, number, cursor, acceptable=False)
        end = self._dialect.behind(found[0][7], found[0][8])
        return Step(counts, number, end, self.newest(end))

    def _is_repeated(self, position: object, row_key: object) -> bool:
        """Whether the last row of a step is only one of those with its position, in a file."""
        if row_key is not None or not isinstance(position, int):
            return False
        return len(self._said(*statements.at(self._dialect, position, None))) > 1

    def _acceptable(self, rows: int, query: tuple[str, Parameters]) -> int:
        """Return how many rows there are before the first that cannot be counted, and those that share its place."""
        begin, place = 0, None
        for number, row in enumerate(self._read(statements.each(self._dialect, query[0]), **query[1], rows=rows)):
            begin, place = (begin, place) if place == row[4:6] else (number, row[4:6])
            column = _refused_column(*row[:4])
            if column and begin:
                return begin
            if column:
                raise SourceRowRefusedError(EVENTS, column, _place(row[4], row[5]))
        return rows

    def numbers(self, span: Span) -> SpanNumbers:
        """Count the rows of a span; the look must have ``COUNTING_SECONDS``."""
        statement, given = statements.numbers_of(self._dialect, span)
        self._be_patient()
        return SpanNumbers(*(int(number) for number in self._read(statement, **given)[0]))

    def number_behind(self, cursor: Cursor) -> int:
        """Count the rows that can be read behind a cursor; the look must have ``COUNTING_SECONDS``."""
        statement, given = statements.number_behind(self._dialect, cursor)
        self._be_patient()
        return int(self._read(statement, **given)[0][0])

    def bouncers(self, most: int) -> dict[str, BouncerRegistration]:
        """Return the registry, or ``most + 1`` of its bouncers if there are more.

        Raises:
            SourceRowRefusedError: a value is not valid, or a bouncer is there twice.
        """
        found: dict[str, BouncerRegistration] = {}
        for bouncer_id, environment, pair_id in self._read(statements.bouncers(self._dialect), most=most + 1):
            if not is_opaque_id(bouncer_id):
                raise SourceRowRefusedError(BOUNCERS, "bouncer_id")
            if not is_environment(environment) or not is_opaque_id(pair_id):
                column = "pair_id" if is_environment(environment) else "environment"
                raise SourceRowRefusedError(BOUNCERS, column, f" for the bouncer {bouncer_id}")
            if bouncer_id in found:
                raise SourceRowRefusedError(BOUNCERS, "bouncer_id", f": the bouncer {bouncer_id} is there twice")
            found[bouncer_id] = BouncerRegistration(environment=Environment(environment), pair_id=pair_id)
        return found

    def codes(self, most: int) -> list[ExtensionCode]:
        """Return the redeemed extension codes, the latest ``most`` of them.

        Raises:
            SourceRowRefusedError: a value is not valid.
        """
        return [_code(*row) for row in self._read(statements.codes(self._dialect), most=most)]

    def _read(self, statement: str, **given: object) -> list[Any]:
        return list(self._connection.execute(text(statement), given).all())

    def _be_patient(self) -> None:
        if self._dialect.patient is not None:
            self._read(self._dialect.patient, milliseconds=str(COUNTING_SECONDS * 1000))


def _refused_column(bouncer_id: object, environment: object, counts: int, odd: str | None) -> str | None:
    """Return the column that keeps a row from being counted."""
    if odd or not counts:
        return odd
    if not is_opaque_id(bouncer_id):
        return "bouncer_id"
    return None if is_environment(environment) else "environment"


def _place(position: object, row_key: object) -> str:
    key = "" if row_key is None else f" and row_key {row_key}"
    return f" in the row with position {position if isinstance(position, int | str) else '?'}{key}"


def _code(code_id: object, redeemed_at: object) -> ExtensionCode:
    try:
        return ExtensionCode.model_validate({"code_id": code_id, "redeemed_at": _moment(redeemed_at)})
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors(include_input=False)}
    column = "code_id" if "code_id" in wrong else "redeemed_at"
    raise SourceRowRefusedError(CODES, column, "" if column == "code_id" else f" for the code {code_id}")


def _moment(value: object) -> object:
    """Return a time. On SQLite it is text, and UTC if it does not say otherwise."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if isinstance(found, datetime) and found.tzinfo is None else found
