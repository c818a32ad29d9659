"""The parameters of the calls. ``unread.py`` refuses all others, so that a mistyped filter is not ignored."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from telemetry_service.domain.errors import PreconditionRequiredError
from telemetry_service.domain.facts import OPAQUE_ID_PATTERN
from telemetry_service.domain.idempotency_key import IDEMPOTENCY_KEY_FORM, is_idempotency_key
from telemetry_service.domain.ledger import Kind, LedgerFilter
from telemetry_service.domain.timestamps import FIRST_DAY, LAST_DAY, Moment
from telemetry_service.domain.transmissions import LONGEST_PAGE, HistoryFilter, State, Status, Trigger
from telemetry_service.pipeline.queries.history import CURSOR_PATTERN
from telemetry_service.web.errors.request_errors import FieldError, InputRefusedError

LIMIT_DEFAULT = 25
LEDGER_LIMIT_MAXIMUM = 1_000

_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_BOOLEAN = re.compile(r"true|false")
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_WHOLE_MAXIMUM = 999_999_999
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAG_PATTERN = r'(W/)?"[\x21\x23-\x7e]*"'
IF_MATCH_PATTERN = rf"^(\*|{_TAG_PATTERN}([ \t]*,[ \t]*{_TAG_PATTERN})*)$"
"""What ``If-Match`` should look like, for the description. ``tags_seen`` reads more, as RFC 9110 demands."""


def _only_if_written_as(pattern: re.Pattern[str]) -> BeforeValidator:
    # Pydantic would accept more forms, such as seconds since 1970 for a day.
    return BeforeValidator(lambda value: value if not isinstance(value, str) or pattern.fullmatch(value) else ())


_YEARS_OF_DAYS = "^(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])-"
"""The years 1970 to 9998, for the description: JSON Schema has no bounds for dates."""

Day = Annotated[
    date,
    Field(ge=FIRST_DAY, le=LAST_DAY, json_schema_extra={"pattern": _YEARS_OF_DAYS}),
    _only_if_written_as(_ISO_DAY),
]
Limit = Annotated[int, Field(ge=1, le=LONGEST_PAGE), _only_if_written_as(_WHOLE)]


class _Filters(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: Status | None = None
    trigger: Trigger | None = None
    state: State | None = None
    from_day: Day | None = Field(default=None, alias="from", description="First UTC day, inclusive.")
    to_day: Day | None = Field(default=None, alias="to", description="Last UTC day, inclusive.")

    def filter(self) -> HistoryFilter:
        """Return the filter for the history."""
        _check_order(self.from_day, self.to_day)
        return HistoryFilter(self.status, self.trigger, self.from_day, self.to_day, state=self.state)


def _check_order(from_day: date | None, to_day: date | None) -> None:
    if from_day and to_day and from_day > to_day:
        raise InputRefusedError([FieldError("from", "must not be later than to")])


_Since = Annotated[Moment, _only_if_written_as(_MOMENT)] | None


class HistoryParams(_Filters):
    """Which page of the history."""

    updated_since: _Since = Field(
        default=None,
        description=(
            "List what has changed since then, the first change first. The next page has the cursor `next_cursor`,"
            " and what changes later `updates_cursor`."
        ),
    )
    cursor: Annotated[str, Field(max_length=64, json_schema_extra={"pattern": CURSOR_PATTERN})] | None = None
    limit: Limit = LIMIT_DEFAULT


class LedgerExportParams(BaseModel):
    """Whether to include what the ledger's salted digests stand for."""

    model_config = ConfigDict(frozen=True)

    persons: Annotated[
        bool,
        _only_if_written_as(_BOOLEAN),
        Field(
            description="Include persons, addresses, customer IDs, extension codes, and reasons, unless they were"
            " erased. Only for the scope `admin`."
        ),
    ] = False


_EntryNumber = Annotated[
    int,
    Field(
        ge=1,
        le=_WHOLE_MAXIMUM,
        description="The number of an entry that a person made: only what that person did, as far as the names were not"
        " erased. Only for the scope `admin`.",
    ),
    _only_if_written_as(_WHOLE),
]


class LedgerFilters(LedgerExportParams):
    """Which entries of the ledger."""

    kind: Kind | None = None
    actor: Annotated[str, Field(max_length=80, description="Such as `person`, `token`, or `token <id>`.")] | None = None
    person: _EntryNumber | None = None
    from_day: Day | None = Field(default=None, alias="from", description="First UTC day, inclusive.")
    to_day: Day | None = Field(default=None, alias="to", description="Last UTC day, inclusive.")

    def filter(self) -> LedgerFilter:
        """Return the filter for the ledger."""
        _check_order(self.from_day, self.to_day)
        return LedgerFilter(self.kind, self.actor, self.from_day, self.to_day, self.person)


class LedgerParams(LedgerFilters):
    """Which part of the ledger."""

    after: Annotated[int, Field(ge=0, le=_WHOLE_MAXIMUM), _only_if_written_as(_WHOLE)] = 0
    limit: Annotated[int, Field(ge=1, le=LEDGER_LIMIT_MAXIMUM), _only_if_written_as(_WHOLE)] = 100


class EntriesExportParams(LedgerFilters):
    """Which entries of the ledger to export, and in which format."""

    format: Annotated[
        str, Field(pattern="^(csv|jsonl)$", description="`jsonl` has a line as `GET /ledger` has it for each entry.")
    ]


class ExportParams(_Filters):
    """Which transmissions to export, and in which format."""

    format: Annotated[
        str,
        Field(
            pattern="^(csv|jsonl|full)$",
            description="`full` is JSON Lines with payload, digests, receipt, and every attempt.",
        ),
    ]
    updated_since: _Since = Field(default=None, description="Only what has changed since then.")


def entity_tag(version: int) -> str:
    """Return the strong ETag of a version of the configuration."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class SeenTags:
    """The entity tags that the caller has seen; None for all. A weak tag never matches (RFC 9110, 13.1.1)."""

    tags: frozenset[str] | None
    given: bool = True
    """Whether the request has the header. If not, it also matches what does not exist."""

    def __contains__(self, tag: str) -> bool:
        return self.tags is None or tag in self.tags

    @property
    def versions(self) -> frozenset[str] | None:
        """The content of the tags between the quotation marks."""
        return None if self.tags is None else frozenset(tag.strip('"') for tag in self.tags)


async def tags_seen(if_match: Annotated[list[str] | None, Header(include_in_schema=False)] = None) -> SeenTags:
    """Return the tags in ``If-Match: "7", "8"``; all of them for ``*`` or without the header.

    Raises:
        InputRefusedError: it is not a list of entity tags.
    """
    said = "*" if if_match is None else ",".join(if_match)
    if said.strip() == "*":
        return SeenTags(None, given=if_match is not None)
    # A tag may contain commas, so the rest is checked after removing the tags.
    between = _ENTITY_TAG.sub("\0", said).split(",")
    tags = frozenset(_ENTITY_TAG.findall(said))
    if not tags or any(part.strip(" \t") not in {"", "\0"} for part in between):
        raise InputRefusedError([FieldError("If-Match", 'must be *, or ETags in quotation marks such as "7"')])
    return SeenTags(tags)


async def tags_required(request: Request, seen: Annotated[SeenTags, Depends(tags_seen)]) -> SeenTags:
    """Return the tags of a required ``If-Match``.

    Raises:
        PreconditionRequiredError: the header is missing.
    """
    if "If-Match" not in request.headers:
        raise PreconditionRequiredError
    return seen


async def checked_key(
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> str | None:
    """Return the caller's ``Idempotency-Key``, or None if there is none.

    Raises:
        InputRefusedError: it does not have the form of a key.
    """
    if idempotency_key is not None and not is_idempotency_key(idempotency_key):
        raise InputRefusedError([FieldError("Idempotency-Key", f"must be {IDEMPOTENCY_KEY_FORM}")])
    return idempotency_key


async def only_if_new(if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None) -> bool:
    """Return whether the call is only meant for what does not exist yet: ``If-None-Match: *``.

    Raises:
        InputRefusedError: it is something else. No call that changes something compares ETags that must not match.
    """
    if if_none_match is not None and if_none_match.strip() != "*":
        raise InputRefusedError([FieldError("If-None-Match", "must be *")])
    return if_none_match is not None


BouncerId = Annotated[str, Path(pattern=OPAQUE_ID_PATTERN)]
TransmissionId = Annotated[UUID, Path()]
AttemptNumber = Annotated[int, Path(ge=1, le=_WHOLE_MAXIMUM), _only_if_written_as(_WHOLE)]
TagsSeen = Annotated[SeenTags, Depends(tags_seen)]
TagsRequired = Annotated[SeenTags, Depends(tags_required)]
OnlyIfNew = Annotated[bool, Depends(only_if_new)]


def link_to_next(response: Response, request: Request, **changes: object) -> None:
    """Name the next page in ``Link`` (RFC 8288). Relative, so that it holds behind every proxy."""
    query = dict(request.query_params) | {name: str(value) for name, value in changes.items()}
    response.headers["Link"] = f'<?{urlencode(query)}>; rel="next"'


IdempotencyKey = Annotated[str | None, Depends(checked_key)]
HistoryParameters = Annotated[HistoryParams, Query()]
ExportParameters = Annotated[ExportParams, Query()]
LedgerParameters = Annotated[LedgerParams, Query()]
EntriesExportParameters = Annotated[EntriesExportParams, Query()]
LedgerExportParameters = Annotated[LedgerExportParams, Query()]
