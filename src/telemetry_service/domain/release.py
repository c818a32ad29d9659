"""The release policy: which payloads wait before they may leave, and until when.

A payload waits if a person has to release each one, or if its schema can contain anything that no earlier one could.
The first is a decision of the deployment; the second protects from a new version that would send more unasked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.plain_text import invisible_error

NOTICE = timedelta(hours=72)
"""How long a new field is announced before it is sent: a weekend passes, and someone reads about it."""

REASON_LONGEST = 500


class Release(StrEnum):
    """Who releases payloads."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class WaitsFor(StrEnum):
    """Why a payload waits."""

    RELEASE = "release"
    NEW_FIELD = "new_field"
    RESTORED = "restored"
    """It waited in a backup that was restored, and may have been sent, withdrawn or prepared again since."""


class ReleasedBy(StrEnum):
    """Why the service itself releases a payload."""

    NOTICE_OVER = "notice_over"
    FIELD_APPROVED = "field_approved"


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """What the deployment decides about the release of payloads."""

    release: Release = Release.AUTOMATIC
    notice: timedelta = NOTICE
    """How long a payload with a new field waits."""
    approve_fields: bool = False
    """Whether such a payload waits for a person, however long that takes."""

    @property
    def notice_ends(self) -> bool:
        """Whether a notice that is over releases a payload."""
        return self.release is Release.AUTOMATIC and not self.approve_fields


AUTOMATIC = ReleasePolicy()
"""Nothing waits but for the notice of a new field."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A schema that was announced."""

    schema_sha256: str
    announced_at: datetime
    settled_at: datetime | None
    """When it was approved, or its notice was over; None while its payloads wait."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a payload waits, and until when; None for as long as no one releases it."""

    waits_for: WaitsFor
    until: datetime | None


@dataclass(frozen=True, slots=True)
class NewField:
    """The schema of this version adds or widens something, and its payloads wait."""

    fields: tuple[str, ...]
    until: datetime | None
    """The end of the notice; None if a person has to approve it."""


def hold_of(policy: ReleasePolicy, announced: Announced) -> Hold | None:
    """Return why a payload that is prepared now waits; None if it may leave."""
    if policy.release is Release.MANUAL:
        return Hold(WaitsFor.RELEASE, None)
    return None if announced.settled_at else Hold(WaitsFor.NEW_FIELD, notice_of(policy, announced))


def notice_of(policy: ReleasePolicy, announced: Announced) -> datetime | None:
    """Return when the notice of a schema is over; None if that releases nothing."""
    return announced.announced_at + policy.notice if policy.notice_ends else None


_PREPARES = frozenset({Kind.PREPARED.value, Kind.MIGRATED.value})
_RELEASES = frozenset({Kind.RELEASED.value, Kind.APPROVED.value})


def wait_of(signed: Iterable[Mapping[str, Any]]) -> WaitsFor | None:
    """Return why a payload waits, by what its entries say, oldest first; None if it may leave.

    What it waited for when it was prepared is over once it is released, even if it is prepared again.
    """
    prepared: str | None = None
    released = restored = False
    for said in signed:
        if said["kind"] in _PREPARES:
            prepared = said.get("waits_for")
        elif said["kind"] == Kind.AWAITING_RELEASE:
            restored = True
        elif said["kind"] in _RELEASES:
            released, restored = True, False
    if restored:
        return WaitsFor.RESTORED
    return None if released or prepared is None else WaitsFor(prepared)


class ReasonInput(BaseModel):
    """Why something is done. It is kept in the ledger as a salted value, so that it can be erased."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=REASON_LONGEST,
            description="One line without invisible characters. It neither begins nor ends with a space.",
        ),
    ]


def reason_error(reason: str) -> str | None:
    """Return what is wrong with a reason, as the end of a sentence; None if it can be kept."""
    if not 1 <= len(reason) <= REASON_LONGEST:
        return f"must have 1 to {REASON_LONGEST} characters."
    return invisible_error(reason)
