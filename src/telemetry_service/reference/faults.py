"""Switches for each failure that a test or a demo may want, as a closed type.

Switched through the control interface, at run time. They are not kept: a server that starts again
works as it should.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

_VISIBLE = r"^[\x20-\x7e]{0,200}$"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ResponseStatus(_Closed):
    """Answer this status, with a problem as its body where the status has one."""

    kind: Literal["status"] = "status"
    status: Annotated[int, Field(ge=200, le=599)] = 503
    retry_after: Annotated[str, Field(pattern=_VISIBLE)] | None = None
    """``Retry-After`` as it stands: seconds, a date, or something absurd."""
    location: Annotated[str, Field(pattern=_VISIBLE)] | None = None
    """``Location``, for redirects."""


class Hang(_Closed):
    """Do not answer until the other side goes away."""

    kind: Literal["hang"] = "hang"


class Drop(_Closed):
    """Cut the connection without an answer."""

    kind: Literal["drop"] = "drop"


class Garbage(_Closed):
    """Answer something that no License Server says."""

    kind: Literal["garbage"] = "garbage"
    status: Annotated[int, Field(ge=200, le=599)] = 200
    content_type: Annotated[str, Field(pattern=_VISIBLE)] = "text/html"
    body: str = "<!doctype html><title>Welcome</title><p>Log in to use this network."


class Slow(_Closed):
    """Wait so many seconds, and then work as ever."""

    kind: Literal["slow"] = "slow"
    seconds: Annotated[float, Field(gt=0, le=600)]


Failure = Annotated[ResponseStatus | Hang | Drop | Garbage | Slow, Field(discriminator="kind")]


class Faults(_Closed):
    """What goes wrong from now on. The default is nothing."""

    failure: Failure | None = None
    after_storing: bool = False
    """False: the failure strikes before anything was verified or stored. True: once the transmission is stored
    (accept, then die); one that is refused gets its refusal."""
    remaining: Annotated[int, Field(ge=1)] | None = None
    """How many requests the failure strikes before all is well again; None: until it is switched."""
    pings: bool = True
    """Whether the failure strikes connection tests as well."""
    refused_ids: dict[UUID, Annotated[int, Field(ge=400, le=599)]] = Field(default_factory=dict)
    """Transmissions that are refused whatever they say, each with the status of the answer."""
    receipt: Literal["valid", "absent", "forged", "other_payload"] = "valid"
    """``forged``: signed by someone else. ``other_payload``: signed rightly, over another digest."""


class FaultSwitch:
    """Holds what goes wrong at present. Used from the event loop alone."""

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        self.faults = Faults()

    def take(self, *, ping: bool) -> Faults:
        """Return what strikes this request, and count it."""
        struck = self.faults
        if ping and not struck.pings:
            return struck.model_copy(update={"failure": None})
        if struck.failure is not None and struck.remaining is not None:
            left = struck.remaining - 1
            counted = {"remaining": left} if left else {"remaining": None, "failure": None}
            self.faults = struck.model_copy(update=counted)
        return struck
