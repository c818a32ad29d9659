"""The present configuration, with what only the service knows."""

from dataclasses import dataclass
from datetime import datetime

from telemetry_service.domain.configuration import (
    ApiKeyFact,
    Configuration,
    NoApiKey,
    OldApiKeyFact,
    StoredConfiguration,
)
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """The configuration with what only the service knows."""

    stored: StoredConfiguration
    enabled: bool
    """The effective switch: the administrator's, unless the deployment has locked it off."""
    locked: tuple[Setting, ...]
    """What the deployment sets, so that no one can change it here."""
    verdict: Verdict
    old_api_key: OldApiKeyFact | None
    """The key before the present one, while it is still tried."""

    @property
    def next_run_at(self) -> datetime | None:
        """When the next period is closed; None while telemetry is off."""
        return self.verdict.next_run_at

    @property
    def next_send_at(self) -> datetime | None:
        """When something is sent next, retries included; None if nothing is."""
        return self.verdict.next_send_at

    @property
    def api_key(self) -> ApiKeyFact | NoApiKey:
        """What may be shown about the API key."""
        return self.stored.api_key or NoApiKey()

    @property
    def values(self) -> Configuration:
        """The effective values: while the deployment locks telemetry off, the switch is off."""
        return self.stored.values.model_copy(update={"enabled": self.enabled})


def read_configuration(snapshot: Snapshot) -> ConfigurationView:
    """Return the present configuration."""
    return ConfigurationView(
        stored=snapshot.configuration,
        enabled=snapshot.enabled,
        locked=snapshot.runtime.deployment.locked,
        verdict=snapshot.verdict,
        old_api_key=None if (old := snapshot.old_api_key) is None else old.fact,
    )
