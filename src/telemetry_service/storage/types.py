"""Column types that mean the same on SQLite and on PostgreSQL, and that refuse whatever is not theirs when it is read.

SQLite takes any value into any column. Anyone who can write into the database must not be able to stop the service with
that, so a wrong value is a separate error, which names the column, wherever it is read.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime as SqlDateTime
from sqlalchemy import Dialect, Enum, Integer, LargeBinary, TypeDecorator
from sqlalchemy import Uuid as SqlUuid
from sqlalchemy.types import TypeEngine

from telemetry_service.domain.errors import RowUnreadableError

MOST = 2**53
"""The largest whole number that JSON keeps exact, and larger than anything that is counted here."""
_MOST_IN_32_BITS = 2**31 - 1
_YEARS = range(1900, 9900)
"""Years that a century can be added to or taken from. A clock shows others only if it was never set."""
_REPORTED_YEARS = range(1900, 10000)
_REPORTED = frozenset(
    {
        "license_posture.expires_at",
        "license_posture.token_issued_at",
        "license_posture.token_expires_at",
        "license_posture.token_refreshed_at",
        "license_posture.as_of",
        "extension_codes.redeemed_at",
    }
)
"""Times that others report, up to the last that they may. They are compared, and nothing is added to them."""

_IN_SQLITE: dict[type, type] = {bool: int, datetime: str, date: str, UUID: bytes, dict: str}
"""What the driver returns for a value, if not the value itself."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. A naive one is refused, because it is ambiguous."""

    impl = SqlDateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value for the driver."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a moment without a time zone cannot be stored"
            raise ValueError(msg)
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Convert what the driver returns into a value."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Id16(TypeDecorator[UUID]):
    """A UUID in 16 bytes: PostgreSQL's own type, a BLOB on SQLite (textual IDs insert several times slower)."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(SqlUuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> UUID | bytes | None:
        """Convert a value for the driver."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.bytes

    def process_result_value(self, value: UUID | bytes | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Convert what the driver returns into a value."""
        if value is None or isinstance(value, UUID):
            return value
        return UUID(bytes=bytes(value))


def closed_set(members: type[StrEnum], name: str) -> Enum:
    """Return a text column type that a CHECK constraint limits to the values of ``members``."""
    return Enum(
        members,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda enum: [member.value for member in enum],
    )


class Checked(TypeDecorator[Any]):
    """The type of a column, which refuses a value of another type, or one that nothing can be calculated with."""

    impl = LargeBinary  # Replaced for each column.
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any], python: type, column: str) -> None:
        """Store as ``kind`` does what is a ``python`` here; ``column`` is the name that an error gives."""
        self.kind = kind
        self.impl = kind  # type: ignore[assignment]  # an instance, as the library's own constructor makes one
        self.python, self.column = python, column

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what converts a value of the driver, and checks it before and after."""
        convert = super().result_processor(dialect, coltype)
        python = str if issubclass(self.python, StrEnum) else self.python
        stored = _IN_SQLITE.get(python, python) if dialect.name == "sqlite" else object
        plausible = self._plausible()

        def read(value: Any) -> Any:  # noqa: ANN401 - whatever is in a row
            if value is None:
                return None
            try:
                found = convert(value) if convert is not None and isinstance(value, stored) else value
            except (ValueError, TypeError, LookupError, OverflowError):
                raise RowUnreadableError(self.column) from None
            if not isinstance(value, stored) or not plausible(found):
                raise RowUnreadableError(self.column)
            return found

        return read

    def _plausible(self) -> Callable[[Any], bool]:
        if self.python is int:
            most = _MOST_IN_32_BITS if type(self.kind) is Integer else MOST
            return lambda found: not isinstance(found, float) and -most <= found <= most
        if self.python in {datetime, date}:
            years = _REPORTED_YEARS if self.column in _REPORTED else _YEARS
            return lambda found: found.year in years
        if self.python is bool:
            return lambda found: found in {0, 1}
        return lambda found: isinstance(found, self.python)


class OrNone(Checked):
    """The type of a value of a column that counts as missing if it is of another type."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what converts a value of the driver, or returns None."""
        checked = super().result_processor(dialect, coltype)

        def read(value: Any) -> Any:  # noqa: ANN401 - whatever is in a row
            try:
                return checked(value)
            except RowUnreadableError:
                return None

        return read
