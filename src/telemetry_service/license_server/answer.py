"""What the License Server answers, read strictly: anything else with a 2xx is no acceptance.

Members that the protocol does not know are passed over, so that the License Server may learn to say
more. Those that it does know must be exactly right, and none may stand there twice.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import (
    Accepted,
    Cause,
    Failure,
    LicenseNews,
    Outcome,
    Rejected,
    outcome_of_status,
)
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.license_server.receipt_form import in_closed_form
from telemetry_service.license_server.retry_after import parse_http_date, parse_retry_after

READ_STATUSES = frozenset({HTTPStatus.OK, HTTPStatus.CONFLICT})
"""Only of these the body matters. Of others it is not even read."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the timestamp of a message may be from the License Server's clock (protocol, last section)."""

_BLAMED_ON_THE_CLOCK = frozenset({Cause.PAYLOAD_REFUSED, Cause.API_KEY_NOT_ACCEPTED, Cause.FORBIDDEN})
"""What a License Server may call a message whose timestamp it does not believe."""

_RECEIPT_LENGTH = 4096
"""Several times a real receipt, which has about 300 characters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    date: str | None
    retry_after: str | None
    body: bytes | None
    """None where it was not read, or came compressed although that was not asked for."""


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = "no calendar here can name this moment in UTC"
        raise ValueError(message) from None


class _License(_Read):
    tier: Tier
    license_status: LicenseStatus
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] | None = None


class _Acceptance(_Read):
    transmission_id: UUID
    status: Literal["accepted", "duplicate"]
    received_at: AwareDatetime
    receipt: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", max_length=_RECEIPT_LENGTH)]
        | None
    ) = None
    license: _License | None = None


class _Conflict(_Read):
    transmission_id: UUID
    body_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Pong(_Read):
    status: Literal["ok"]


_ReadT = TypeVar("_ReadT", bound=_Read)


def outcome_of_transmission(
    answer: Answer, message: SealedMessage, known_bodies: Collection[str], now: datetime
) -> Outcome:
    """Return what an answer means for ``message``.

    ``known_bodies`` are hex digests of bodies that went out under the same id; the message's own is always one.
    """
    if answer.status == HTTPStatus.CONFLICT:
        return _conflict(answer, message, known_bodies)
    failure = _failure(answer, message, parse_retry_after(answer.retry_after, now))
    if failure is not None:
        return failure
    acceptance = _parse(_Acceptance, answer.body)
    if acceptance is None or acceptance.transmission_id != message.transmission_id:
        return Rejected(Cause.ANSWER_MALFORMED, answer.status)
    return Accepted(
        answer.status,
        duplicate=acceptance.status == "duplicate",
        receipt=_kept(acceptance.receipt),
        license=_news(acceptance.license),
    )


def failure_of_ping(answer: Answer, ping: SealedMessage) -> Failure | None:
    """Return why a connection test's answer is not a good one, or None."""
    failure = _failure(answer, ping, retry_after=None)
    if failure is None and _parse(_Pong, answer.body) is None:
        return Rejected(Cause.ANSWER_MALFORMED, answer.status)
    return failure


def _failure(answer: Answer, message: SealedMessage, retry_after: timedelta | None) -> Failure | None:
    if answer.status == HTTPStatus.OK:
        return None
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Rejected(Cause.ANSWER_MALFORMED, answer.status)
    failure = outcome_of_status(answer.status, retry_after)
    if failure.cause in _BLAMED_ON_THE_CLOCK and _clocks_differ(answer, message):
        return replace(failure, cause=Cause.CLOCK_WRONG)
    return failure


def _clocks_differ(answer: Answer, message: SealedMessage) -> bool:
    """Whether the License Server's clock, as it says itself, is further from ours than it tolerates."""
    theirs = parse_http_date(answer.date or "")
    return theirs is not None and abs(theirs.timestamp() - message.timestamp) > CLOCK_TOLERANCE.total_seconds()


def _conflict(answer: Answer, message: SealedMessage, known_bodies: Collection[str]) -> Outcome:
    """A conflict about the very bytes that we sent is none: the License Server has them."""
    conflict = _parse(_Conflict, answer.body)
    ours = {hashlib.sha256(message.body).hexdigest(), *known_bodies}
    if conflict and conflict.transmission_id == message.transmission_id and conflict.body_sha256 in ours:
        return Accepted(answer.status, duplicate=True)
    return Rejected(Cause.ID_CONFLICT, answer.status)


def _kept(receipt: str | None) -> str | None:
    """A receipt in which more stands than the protocol lists is no receipt; what it came with stays an acceptance."""
    return receipt if receipt is not None and in_closed_form(receipt) else None


def _news(license_: _License | None) -> LicenseNews | None:
    if license_ is None:
        return None
    return LicenseNews(license_.tier.value, license_.license_status.value, license_.expires_at)


def _parse(model: type[_ReadT], body: bytes | None) -> _ReadT | None:
    if body is None:
        return None
    try:
        json.loads(body, object_pairs_hook=_without_duplicates)
        return model.model_validate_json(body)
    except (ValidationError, ValueError, RecursionError):
        return None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
