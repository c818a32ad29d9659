"""Reads the settings that a deployment may set in the place of an administrator, which locks them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import SecretStr

from telemetry_service import setting_parsers as values
from telemetry_service.domain.configuration import ConfigurationPatch
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.locks import VARIABLES, Setting

T = TypeVar("T")

SECRETS = frozenset({VARIABLES[Setting.API_KEY]})

PARSERS: dict[Setting, Callable[[str], object]] = {
    Setting.ENABLED: values.boolean,
    Setting.FREQUENCY: values.frequency,
    Setting.ENCRYPT_PAYLOAD: values.boolean,
    Setting.ANONYMIZE_PII: values.boolean,
    Setting.RETENTION_DAYS: values.retention,
}
"""How the text of each setting is read, here and by ``config set``."""

_LOCKABLE = tuple(setting for setting in PARSERS if setting is not Setting.ENABLED)
"""Telemetry itself is turned off with TELEMETRY_ENABLED, which means only that."""

PLAIN = frozenset(VARIABLES[setting] for setting in _LOCKABLE)


class Source(Protocol):
    """Where the settings are read from, and where problems are collected."""

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed variable, or ``default`` if it is not set or wrong."""


def read_configured(source: Source) -> Configured:
    """Return what is set; what is wrong with it is added to the problems of ``source``."""
    api_key: SecretStr | None = source.read(VARIABLES[Setting.API_KEY], values.api_key, None)
    found = {setting: source.read(VARIABLES[setting], PARSERS[setting], None) for setting in _LOCKABLE}
    given = {setting.value: value for setting, value in found.items() if value is not None}
    return Configured(ConfigurationPatch.model_validate(given), api_key)
