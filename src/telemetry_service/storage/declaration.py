"""Declares tables as classes with typed columns, for SQLAlchemy's Core.

The classes look like those of its object-relational mapper, of which nothing else was used: loading and configuring it
took a tenth of a start, and its columns make each statement slower to build.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeAlias, TypeVar, get_args, get_origin

from sqlalchemy import Column, ColumnClause, ForeignKey, MetaData, Table
from sqlalchemy.types import TypeEngine

from telemetry_service.storage.types import Checked

T = TypeVar("T")

Mapped: TypeAlias = ColumnClause[T]
"""The annotation of a column: ``name: Mapped[type]``, with ``| None`` if it may be empty."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What a column has besides its annotation."""

    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def column(
        self, table: str, key: str, python: type, kind: TypeEngine[Any] | None, *, nullable: bool
    ) -> Column[Any]:
        """Return the column. ``kind`` is its type unless an argument is; a foreign key has the type of its target."""
        name, *rest = self.arguments if isinstance(next(iter(self.arguments), None), str) else (key, *self.arguments)
        given = next((one for one in rest if isinstance(one, TypeEngine | type)), kind)
        if given is not None and not any(isinstance(one, ForeignKey) for one in rest):
            stored = given() if isinstance(given, type) else given
            rest = [Checked(stored, python, f"{table}.{name}"), *(one for one in rest if one is not given)]
        return Column(name, *rest, key=key, nullable=nullable, **self.options)


def mapped_column(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - a column of the annotation's type
    """Complete an annotation with arguments and options of ``Column``."""
    return _Given(arguments, options)


class Declarative:
    """The root of the tables of one ``metadata``. A subclass with a ``__tablename__`` is a table."""

    metadata: ClassVar[MetaData]
    types: ClassVar[dict[type, TypeEngine[Any]]]
    """The type of a column of which only the annotation is known."""
    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[Any, ...]] = ()
    """Constraints and indexes; options of the table in a dictionary."""
    __table__: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        """Make the table, and let each annotated name be its column."""
        if "__tablename__" not in vars(cls):
            return
        items = [one for one in cls.__table_args__ if not isinstance(one, dict)]
        options = [one for one in cls.__table_args__ if isinstance(one, dict)]
        cls.__table__ = Table(cls.__tablename__, cls.metadata, *cls._columns(), *items, **dict(*options))
        for column in cls.__table__.columns:
            setattr(cls, column.key, column)

    @classmethod
    def __clause_element__(cls) -> Table:
        """Stand for the table in a statement."""
        return cls.__table__

    @classmethod
    def _columns(cls) -> Iterator[Column[Any]]:
        for key, annotation in cls.__annotations__.items():
            given: _Given = vars(cls).get(key, _Given())
            (kind,) = get_args(annotation)
            kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
            python = next(get_origin(one) or one for one in kinds if one is not NoneType)
            nullable = NoneType in kinds
            yield given.column(cls.__tablename__, key, python, cls.types.get(python), nullable=nullable)
