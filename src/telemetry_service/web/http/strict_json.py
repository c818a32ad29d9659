"""Reads JSON more strictly than Python and Pydantic do (RFC 8259, and RFC 7493 for what that leaves open).

Refused, each with its field: duplicate names, NaN and infinities, integers that not every reader keeps exact, fractions
(no call takes one), lone surrogates, NUL, deep nesting.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.domain.plain_text import has_lone_surrogate
from telemetry_service.web.errors.explanations import name_of
from telemetry_service.web.errors.request_errors import (
    BODY,
    FIELDS_SHOWN,
    BodyMalformedError,
    FieldError,
    InputRefusedError,
)

_DEEPEST = 8
"""Levels of nesting. The deepest valid body has three."""

_DIGITS = len(str(MAX_INTEGER))

Path = tuple[str | int, ...]


class _Object(list[tuple[str, Any]]):
    """The members of an object, those that have the same name too."""


@dataclass(frozen=True, slots=True)
class _Refused:
    problem: str


_NO_NUMBER: Final = _Refused("must be a number; JSON has no NaN or infinity")
_NOT_WHOLE: Final = _Refused("must be a whole number, written without a fraction or an exponent")
_TOO_LARGE: Final = _Refused(f"must be a whole number of at most {MAX_INTEGER}")


def check_json(raw: bytes) -> None:
    """Refuse what is not JSON, and JSON that two readers could understand differently.

    Raises:
        BodyMalformedError: it is not JSON in UTF-8.
        InputRefusedError: it is JSON, but not acceptable; the errors are by field.
    """
    if errors := [
        FieldError(name_of(path), problem) for path, problem in islice(errors_in(read_json(raw)), FIELDS_SHOWN)
    ]:
        raise InputRefusedError(errors)


def read_json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value; its objects are lists of their members, those that have the same name too.

    Raises:
        BodyMalformedError: it is not JSON in UTF-8.
        InputRefusedError: it is nested too deeply to be read.
    """
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise BodyMalformedError([FieldError(BODY, "must be UTF-8")]) from None
    except RecursionError:
        raise InputRefusedError([FieldError(BODY, "is nested too deeply")]) from None
    except ValueError:
        raise BodyMalformedError([FieldError(BODY, "must be one JSON value")]) from None


def _integer(digits: str) -> int | _Refused:
    if len(digits.lstrip("-")) > _DIGITS:
        return _TOO_LARGE
    number = int(digits)
    return number if abs(number) <= MAX_INTEGER else _TOO_LARGE


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_int=_integer,
    parse_float=lambda _digits: _NOT_WHOLE,
    parse_constant=lambda _name: _NO_NUMBER,
)


def errors_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - any JSON value
    """Yield each problem with its place. The sender chooses the nesting, but the recursion ends at a level."""
    if len(path) > _DEEPEST:
        yield path[:_DEEPEST], "is nested too deeply"
    elif isinstance(value, _Refused):
        yield path, value.problem
    elif isinstance(value, str):
        yield from ((path, problem) for problem in _errors_of_text(value))
    elif isinstance(value, _Object):
        yield from _errors_of_names(value, path)
        for name, member in value:
            yield from errors_in(member, (*path, name))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from errors_in(entry, (*path, index))


def _errors_of_names(members: _Object, path: Path) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for name, _member in members:
        if name in seen:
            yield (*path, name), "appears more than once"
        seen.add(name)
        yield from ((path, "has a name that is not valid text") for _ in _errors_of_text(name))


def _errors_of_text(text: str) -> Iterator[str]:
    if "\0" in text:
        yield "must not contain a NUL character"
    if has_lone_surrogate(text):
        yield "must not contain an unpaired surrogate"
