"""What an administrator can set, and the variable by which a deployment sets it instead."""

from collections.abc import Iterable
from enum import StrEnum


class Setting(StrEnum):
    """What the settings tab changes, by its name in the API."""

    ENABLED = "enabled"
    FREQUENCY = "frequency"
    ENCRYPT_PAYLOAD = "encrypt_payload"
    ANONYMIZE_PII = "anonymize_pii"
    RETENTION_DAYS = "retention_days"
    API_KEY = "api_key"

    @property
    def variable(self) -> str:
        """The deployment's variable that locks it."""
        return VARIABLES[self]


VARIABLES = {
    Setting.ENABLED: "TELEMETRY_ENABLED",
    Setting.FREQUENCY: "TELEMETRY_CONFIG_FREQUENCY",
    Setting.ENCRYPT_PAYLOAD: "TELEMETRY_CONFIG_ENCRYPT_PAYLOAD",
    Setting.ANONYMIZE_PII: "TELEMETRY_CONFIG_ANONYMIZE_PII",
    Setting.RETENTION_DAYS: "TELEMETRY_CONFIG_RETENTION_DAYS",
    Setting.API_KEY: "TELEMETRY_API_KEY",
}


def set_by(settings: Iterable[Setting]) -> str:
    """Say which variables set these."""
    return " and ".join(setting.variable for setting in settings)
