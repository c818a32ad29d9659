"""Compares the views that a source has with the documented ones."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from telemetry_service.domain.source import VIEWS


class Column(NamedTuple):
    """A column as the source's catalog has it."""

    name: str
    type: str
    """Its type in lower case; empty if the source does not say."""


Types = Mapping[str, tuple[frozenset[str], str]]
"""Which types a column may have, and what else to write in the view. A column that is not here may have any."""


def problems_of(found: Mapping[str, Sequence[Column]], types: Types) -> tuple[str, ...]:
    """Return a sentence for each way in which the views of a source are not as documented."""
    return tuple(problem for view in VIEWS for problem in _of_view(view, found.get(view), types))


def _of_view(view: str, columns: Sequence[Column] | None, types: Types) -> Iterator[str]:
    if columns is None:
        yield f"There is no view {view}."
        return
    names = {column.name for column in columns}
    for name in VIEWS[view]:
        if name not in names:
            yield f"{view} has no column {name}."
    for column in columns:
        yield from _of_column(view, column, types)


def _of_column(view: str, column: Column, types: Types) -> Iterator[str]:
    if column.name not in VIEWS[view]:
        # Its name is the customer's, and may be as long as a database allows; it is what the reader has to look for.
        yield f"{view} has a column that is not documented: {_printable(column.name)}. Remove it from the view."
        return
    allowed, advice = types.get(column.name, (frozenset(), ""))
    if allowed and column.type not in allowed:
        yield f"{view}.{column.name} has the type {_printable(column.type)}. {advice}"


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:64])
