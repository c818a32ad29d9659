"""The response of the License Server, read strictly: any other 2xx is not an acceptance.

The members that make an acceptance (ID, status, time) must be exactly right and occur only once. Nothing else can
invalidate it: unknown members are ignored, so that the License Server may add some, and an unreadable receipt or
license is ignored and noted.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.license_update import read_license
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import (
    CUSTOMER_MISMATCH,
    Accepted,
    Failure,
    Held,
    Note,
    Outcome,
    Rejected,
    outcome_of_status,
)
from telemetry_service.domain.receipt import flaw_of_receipt
from telemetry_service.domain.timestamps import Moment
from telemetry_service.license_server.json_depths import without_depths
from telemetry_service.license_server.retry_after import parse_http_date, parse_retry_after

READ_STATUSES = frozenset({HTTPStatus.OK, HTTPStatus.CONFLICT})
"""The body decides only for these."""
EXPLAINED_STATUS = HTTPStatus.FORBIDDEN
"""For this one, a problem document is read if it can be; for others, the body is not even read."""
PROBLEM_MEDIA_TYPE = "application/problem+json"

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a message's timestamp may be from the License Server's clock (``docs/protocol.md``)."""

_BLAMED_ON_THE_CLOCK = frozenset({Cause.PAYLOAD_REFUSED, Cause.API_KEY_NOT_ACCEPTED, Cause.FORBIDDEN})
"""Status codes for a message whose timestamp the License Server refuses."""

_CUSTOMER_REFUSED = f"urn:control-core:license-server:{CUSTOMER_MISMATCH}"
"""The type of the problem document. A portal or a firewall in between, which may respond with 403, has no such type."""

_TWICE = object()
"""The value of a member that occurs twice. It is ambiguous, so it matches no type."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    date: str | None
    retry_after: str | None
    body: bytes | None
    """None if it was not read, or was compressed without being asked for."""


class _Read(BaseModel):
    """The members of a response that must be right; each is a string."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class _Acceptance(_Read):
    transmission_id: UUID
    status: Literal["accepted", "duplicate"]
    received_at: Moment


class _Conflict(_Read):
    transmission_id: UUID
    body_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Pong(_Read):
    status: Literal["ok"]


_ReadT = TypeVar("_ReadT", bound=_Read)


def outcome_of_transmission(
    response: Response, message: SealedMessage, known_bodies: Collection[str], now: datetime
) -> Outcome:
    """Return what a response means for ``message``.

    ``known_bodies`` are hex digests of bodies sent under the same ID; the message's own always counts.
    """
    if response.status == HTTPStatus.CONFLICT:
        return _conflict(response, message, known_bodies)
    failure = _failure(response, message, parse_retry_after(response.retry_after, now))
    if failure is not None:
        return failure
    members = members_of(response.body)
    acceptance = _parse(_Acceptance, members)
    if acceptance is None or acceptance.transmission_id != message.transmission_id:
        return Rejected(Cause.RESPONSE_MALFORMED, response.status)
    receipt, dropped = _receipt(members.get("receipt"))
    license_, noted = read_license(members.get("license"))
    return Accepted(
        response.status,
        duplicate=acceptance.status == "duplicate",
        receipt=receipt,
        license=license_,
        notes=dropped + noted,
    )


def failure_of_ping(response: Response, ping: SealedMessage) -> Failure | None:
    """Return why the response to a connection test is not valid, or None."""
    failure = _failure(response, ping, retry_after=None)
    if failure is None and _parse(_Pong, members_of(response.body)) is None:
        return Rejected(Cause.RESPONSE_MALFORMED, response.status)
    return failure


def _failure(response: Response, message: SealedMessage, retry_after: timedelta | None) -> Failure | None:
    if response.status == HTTPStatus.OK:
        return None
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return Rejected(Cause.RESPONSE_MALFORMED, response.status)
    failure = outcome_of_status(response.status, retry_after)
    if failure.cause in _BLAMED_ON_THE_CLOCK and _clocks_differ(response, message):
        return replace(failure, cause=Cause.CLOCK_WRONG)
    if isinstance(failure, Held) and failure.cause is Cause.FORBIDDEN:
        return replace(failure, customer_refused=members_of(response.body).get("type") == _CUSTOMER_REFUSED)
    return failure


def _clocks_differ(response: Response, message: SealedMessage) -> bool:
    """Whether the License Server's clock, by its Date header, is further from ours than it tolerates."""
    ahead = clock_ahead(response, message)
    return ahead is not None and abs(ahead) > CLOCK_TOLERANCE


def clock_ahead(response: Response, message: SealedMessage) -> timedelta | None:
    """Return how far our clock is ahead of the License Server's, by its Date header; None if it has no date."""
    theirs = parse_http_date(response.date or "")
    return None if theirs is None else timedelta(seconds=message.timestamp - theirs.timestamp())


def _conflict(response: Response, message: SealedMessage, known_bodies: Collection[str]) -> Outcome:
    """A conflict with the same bytes that we sent is an acceptance: the License Server has them."""
    conflict = _parse(_Conflict, members_of(response.body))
    ours = {hashlib.sha256(message.body).hexdigest(), *known_bodies}
    if conflict and conflict.transmission_id == message.transmission_id and conflict.body_sha256 in ours:
        return Accepted(response.status, duplicate=True)
    return Rejected(Cause.ID_CONFLICT, response.status)


def _receipt(value: object) -> tuple[str | None, tuple[Note, ...]]:
    """Return the receipt and any notes. A receipt with more than the protocol lists is ignored."""
    if value is None:
        return None, ()
    if not isinstance(value, str):
        return None, (Note.RECEIPT_DROPPED,)
    flaw = flaw_of_receipt(value)
    return (value, ()) if flaw is None else (None, (flaw.note,))


def _parse(model: type[_ReadT], members: Mapping[str, object]) -> _ReadT | None:
    wanted = {name: members.get(name) for name in model.model_fields}
    if not all(isinstance(value, str) for value in wanted.values()):
        return None
    try:
        return model.model_validate_json(json.dumps(wanted))
    except ValidationError:
        return None


def members_of(body: bytes | None) -> Mapping[str, object]:
    """Return the members of a response; none if it is not a JSON object. Numbers may be of any size."""
    try:
        text = without_depths((body or b"").decode())
        read = json.loads(text, object_pairs_hook=_each_once, parse_int=float)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        members[name] = _TWICE if name in members else value
    return members
