"""What a connection test found, step by step."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.transmission_texts import CauseTexts, cause_of_check


class StepName(StrEnum):
    """The steps of a connection test, in order."""

    NAME = "name"
    TCP = "tcp"
    TLS = "tls"
    CERTIFICATE = "certificate"
    RESPONSE = "response"
    API_KEY = "api_key"


OnStep = Callable[[StepName], None]
"""Called with each step when it begins; the step before it has then passed."""


def ignore_step(_step: StepName) -> None:
    """Do nothing: most callers wait for the whole check."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``ok`` is None if an earlier step failed, so that this one was not tried."""

    name: StepName
    ok: bool | None
    duration_ms: int | None
    detail: str | None = None
    """A closed token such as ``TLSv1.3``; never a name or an address."""


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """The verdict: ``cause`` is None exactly when the connection works."""

    steps: tuple[Step, ...]
    cause: Cause | None
    response_code: int | None = None
    clock_ahead: timedelta | None = None
    """How far this machine's clock is ahead of the License Server's; None without a response that says its time."""
    key_locked: bool = False
    """Whether the deployment sets the API key, so that no one can save another one here."""

    @property
    def ok(self) -> bool:
        """Whether the connection works from end to end."""
        return self.cause is None

    @property
    def cause_texts(self) -> CauseTexts | None:
        """Why it does not work and what to do; None if it works."""
        return cause_of_check(self.cause, key_locked=self.key_locked)
