"""What an administrator says after a backup was restored."""

from pydantic import BaseModel, ConfigDict

from telemetry_service.domain.periods import OpenPeriod


class RestoredAnswer(BaseModel):
    """Whether the counts of the current period were sent after the backup that was restored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    open_period: OpenPeriod
