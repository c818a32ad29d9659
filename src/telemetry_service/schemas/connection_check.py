"""Why something failed, and what a connection check found."""

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.connection_check import StepName
from telemetry_service.domain.owner import Owner
from telemetry_service.schemas.base import ResponseModel, read_from


class CauseResponse(ResponseModel):
    """Why something failed, what to do, and who can do it."""

    code: Cause
    sentence: str
    next_step: str
    owner: Owner


class StepResponse(ResponseModel):
    """One step of a connection test; `ok` is null if an earlier step failed."""

    name: StepName
    ok: bool | None
    duration_ms: int | None
    detail: str | None


class ConnectionCheckResponse(ResponseModel):
    """The result of a connection test, and its steps in order."""

    ok: bool
    cause: CauseResponse | None = read_from("cause_texts")
    response_code: int | None
    steps: tuple[StepResponse, ...]
