"""What the deployment sets in the place of an administrator: it is saved at each start, and locked while it is set."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from telemetry_service.domain.configuration import Configuration, ConfigurationPatch
from telemetry_service.domain.locks import Setting


@dataclass(frozen=True, slots=True)
class Configured:
    """The settings, and the API key. What is not set is the administrator's."""

    values: ConfigurationPatch = field(default_factory=ConfigurationPatch)
    api_key: SecretStr | None = None

    @property
    def locked(self) -> tuple[Setting, ...]:
        """What is set, in a fixed order."""
        has_key = self.api_key is not None
        return tuple(it for it in Setting if it in self.values.model_fields_set or (it is Setting.API_KEY and has_key))

    def different(self, saved: Configuration) -> tuple[Setting, ...]:
        """Return the settings that are saved otherwise: another replica has other variables."""
        wanted = self.values.applied_to(saved)
        return tuple(it for it in self.locked if getattr(saved, it, None) != getattr(wanted, it, None))
