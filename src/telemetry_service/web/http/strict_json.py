"""Reads JSON more strictly than Python and pydantic do (RFC 8259, and RFC 7493 for what it leaves open).

Refused, each with the field it was found at: duplicate names, NaN and infinities, integers that not
every reader keeps exact, fractions (no call takes one), lone surrogates, NUL, deep nesting.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Object:
    members: list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class _Refused:
    problem: str


_NO_NUMBER: Final = _Refused("must be a number; JSON has no NaN or infinity")
_NOT_WHOLE: Final = _Refused("must be a whole number, written without a fraction or an exponent")
_TOO_LARGE: Final = _Refused(f"must be a whole number of at most {MAX_INTEGER}")


def check_json(raw: bytes) -> None:
    """Refuse what is no JSON, or JSON that two readers could understand differently.

    Raises:
        BodyMalformedError: it is not JSON in UTF-8.
        InputRefusedError: it is, with the errors by field.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyMalformedError([FieldError(BODY, "must be UTF-8")]) from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise InputRefusedError([FieldError(BODY, "is nested too deeply")]) from None
    except ValueError:
        raise BodyMalformedError([FieldError(BODY, "must be one JSON value")]) from None
    errors = _Walk().errors_in(value)
    if errors:
        raise InputRefusedError(errors)


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


@dataclass(slots=True)
class _Walk:
    """Looks at every value, without recursion: the nesting is the sender's choice."""

    waiting: list[tuple[Path, Any]] = field(default_factory=list)

    def errors_in(self, value: Any) -> list[FieldError]:  # noqa: ANN401 - any JSON value
        errors: list[FieldError] = []
        self.waiting.append(((), value))
        while self.waiting and len(errors) < FIELDS_SHOWN:
            path, value = self.waiting.pop()
            errors.extend(FieldError(name_of(where), problem) for where, problem in self._look_at(path, value))
        return errors

    def _look_at(self, path: Path, value: Any) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - any JSON value
        if len(path) > _DEEPEST:
            yield path[:_DEEPEST], "is nested too deeply"
        elif isinstance(value, _Refused):
            yield path, value.problem
        elif isinstance(value, str):
            yield from ((path, problem) for problem in _errors_of_text(value))
        elif isinstance(value, list):
            self.waiting.extend(((*path, index), entry) for index, entry in reversed(list(enumerate(value))))
        elif isinstance(value, _Object):
            yield from self._look_into(path, value)

    def _look_into(self, path: Path, value: _Object) -> Iterator[tuple[Path, str]]:
        seen: set[str] = set()
        for name, _member in value.members:
            if name in seen:
                yield (*path, name), "appears more than once"
            seen.add(name)
            yield from ((path, "has a name that is not valid text") for _ in _errors_of_text(name))
        self.waiting.extend(((*path, name), member) for name, member in reversed(value.members))


def _errors_of_text(text: str) -> Iterator[str]:
    if "\0" in text:
        yield "must not contain a NUL character"
    if has_lone_surrogate(text):
        yield "must not contain an unpaired surrogate"
