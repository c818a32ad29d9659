"""How far the Control Plane's own database was read."""

from telemetry_service.domain.owner import Owner
from telemetry_service.schemas.base import Moment, ResponseModel, read_from


class SourceObstacleResponse(ResponseModel):
    """Why the source is not read on."""

    code: str
    sentence: str = read_from("text")
    next_step: str
    owner: Owner
    since: Moment


class CatchUpResponse(ResponseModel):
    """How far older rows are caught up on."""

    since: Moment = read_from("span.since")
    """The rows since then are counted."""
    total: int
    """Rows to look at."""
    looked_at: int
    counted: int
    """Rows counted so far."""
    finished: bool


class SourceResponse(ResponseModel):
    """How far the source database was read."""

    configured: bool
    """False if usage is only reported. All other members are null or zero then."""
    began_at: Moment | None
    """When it was first read. Older rows count only by a catch-up."""
    complete_until: Moment | None
    """Everything that was committed before this is counted."""
    lag_seconds: int | None
    rows: int
    """Rows counted since then."""
    position: str | None
    """The position of the cursor. It can be larger than 2^53-1, hence a text."""
    shared_bouncers: int
    """Bouncers of the open period that reports count too: their events may count twice."""
    obstacle: SourceObstacleResponse | None
    catch_up: CatchUpResponse | None
