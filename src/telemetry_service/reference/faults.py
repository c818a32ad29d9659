"""The failures that a test or a demo can turn on, as a closed type.

The control interface turns them on at run time. They are not stored: a restarted server works normally.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from telemetry_service.reference.refusals import Reason

_VISIBLE = r"^[\x20-\x7e]{0,200}$"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ResponseStatus(_Closed):
    """Respond with this status, and with a problem as the body if the status allows one."""

    kind: Literal["status"] = "status"
    status: Annotated[int, Field(ge=200, le=599)] = 503
    retry_after: Annotated[str, Field(pattern=_VISIBLE)] | None = None
    """``Retry-After`` verbatim: seconds, a date, or something absurd."""
    location: Annotated[str, Field(pattern=_VISIBLE)] | None = None
    """``Location``, for redirects."""


class Hang(_Closed):
    """Do not respond until the client disconnects."""

    kind: Literal["hang"] = "hang"


class Drop(_Closed):
    """Cut the connection without a response."""

    kind: Literal["drop"] = "drop"


class Garbage(_Closed):
    """Respond with something that no License Server sends."""

    kind: Literal["garbage"] = "garbage"
    status: Annotated[int, Field(ge=200, le=599)] = 200
    content_type: Annotated[str, Field(pattern=_VISIBLE)] = "text/html"
    body: str = "<!doctype html><title>Welcome</title><p>Log in to use this network."


class Slow(_Closed):
    """Wait this many seconds, then work normally."""

    kind: Literal["slow"] = "slow"
    seconds: Annotated[float, Field(gt=0, le=600)]


Failure = Annotated[ResponseStatus | Hang | Drop | Garbage | Slow, Field(discriminator="kind")]


class Alteration(_Closed):
    """What differs in a response from a correct one. In ``members``, ``claims`` and ``jws``, null removes."""

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[str, Annotated[str, Field(pattern=_VISIBLE)]] = Field(default_factory=dict)
    members: dict[str, JsonValue] = Field(default_factory=dict)
    claims: dict[str, JsonValue] = Field(default_factory=dict)
    """Of the receipt, which is signed correctly."""
    jws: dict[str, JsonValue] = Field(default_factory=dict)
    """Of the receipt's protected header."""


AlteredKind = Literal["accepted", "duplicate", "pong", "problem", "bundle"]


class Faults(_Closed):
    """The faults from now on. The default is none."""

    failure: Failure | None = None
    after_storing: bool = False
    """False: the failure occurs before anything is verified or stored. True: it occurs once the transmission is stored
    (accept, then die); a refused one still gets its refusal."""
    remaining: Annotated[int, Field(ge=1)] | None = None
    """How many requests the failure affects; None: all, until it is changed."""
    pings: bool = True
    """Whether the failure also affects connection tests."""
    refused_ids: dict[UUID, Annotated[int, Field(ge=400, le=599)]] = Field(default_factory=dict)
    """Transmissions that are always refused, each with the status of the response."""
    receipt: Literal["valid", "absent", "forged", "other_payload"] = "valid"
    """``forged``: signed with a different key. ``other_payload``: a valid signature for a different digest."""
    tolerated: frozenset[Reason] = frozenset()
    """Reasons to refuse that are ignored: the response says ``accepted``, and nothing is stored."""
    shared_ids: bool = False
    """Whether an ID that another customer has used counts as known."""
    altered: dict[AlteredKind, Alteration] = Field(default_factory=dict)
    """What differs in each kind of response."""


class FaultSwitch:
    """Holds the present faults. Used only from the event loop."""

    def __init__(self) -> None:
        """Start without faults."""
        self.faults = Faults()

    def take(self, *, ping: bool) -> Faults:
        """Return the faults for this request, and count it."""
        struck = self.faults
        if ping and not struck.pings:
            return struck.model_copy(update={"failure": None})
        if struck.failure is not None and struck.remaining is not None:
            left = struck.remaining - 1
            counted = {"remaining": left} if left else {"remaining": None, "failure": None}
            self.faults = struck.model_copy(update=counted)
        return struck
