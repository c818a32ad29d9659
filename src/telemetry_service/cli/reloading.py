"""Reads the files of the settings again while the service runs, uses what can change, and says what cannot."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from telemetry_service.cli.systemd import notify_ready, notify_reloading
from telemetry_service.domain.errors import SettingsError, TelemetryError
from telemetry_service.domain.locks import VARIABLES, Setting
from telemetry_service.log.events import Event
from telemetry_service.log.options import LogLevel
from telemetry_service.log.setup import set_level
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.actions.apply_configured import apply_configured
from telemetry_service.service import Service
from telemetry_service.settings import FILES, Settings, load_settings

_API_KEY = VARIABLES[Setting.API_KEY]
_CA_FILE = "TELEMETRY_LICENSE_SERVER_CA_FILE"

_LOG_LEVEL = "TELEMETRY_LOG_LEVEL"

_USED_ONCE = "TELEMETRY_ADMIN_PASSWORD"
"""Used at the first start, so a new content changes nothing."""


class Reloader:
    """Knows what the files held when they were last read."""

    def __init__(self, service: Service, level: LogLevel, environ: Mapping[str, str] = os.environ) -> None:
        """Read the files as they are at the start; ``level`` is that of the log."""
        self._service, self._environ, self._level = service, environ, level
        self._lock = Lock()
        self._known = self._look()
        self._apply: dict[str, Callable[[Settings], None]] = {
            "ENCRYPTION_KEY": lambda settings: _replace_keys(service, settings),
            "CREDENTIAL_ENCRYPTION_KEY": lambda settings: _replace_credential_keys(service, settings),
            _API_KEY: lambda settings: apply_configured(service.runtime, settings.configured),
            _LOG_LEVEL: lambda _settings: None,  # Below, where the line about it is written.
            _CA_FILE: lambda _settings: None,  # The client has read it again already.
        }

    def reload(self) -> None:
        """Read everything again, one time after the other. If a setting is wrong, nothing changes."""
        with self._lock:
            notify_reloading()
            try:
                self._reload()
            finally:
                notify_ready()

    def _reload(self) -> None:
        found = self._look()
        try:
            settings = load_settings(self._environ)
        except SettingsError as error:
            log_event(Event.RELOAD_REFUSED, settings=tuple(sorted({one.split()[0] for one in error.problems})))
            return
        changed = sorted(name for name in found if found[name] != self._known[name])
        self._known = found
        used = [name for name in changed if name in self._apply and self._use(name, settings)]
        pending = [name for name in changed if name not in used and name != _USED_ONCE]
        # At the level that lets the line through: the former one, if fewer lines are written from now on.
        set_level(min(self._level, settings.log_level, key=tuple(LogLevel).index))
        log_event(Event.SETTINGS_RELOADED, changed=tuple(used), pending=tuple(pending))
        set_level(settings.log_level)
        self._level = settings.log_level

    def _use(self, name: str, settings: Settings) -> bool:
        """Use what has changed; False if the database cannot be written now, so that the next signal tries again."""
        try:
            self._apply[name](settings)
        except TelemetryError:
            self._known[name] = b""
            return False
        return True

    def _look(self) -> dict[str, bytes]:
        """Return a digest of each file that a setting names, and of the CAs that are trusted now."""
        files = {name: self._environ[f"{name}_FILE"] for name in FILES if self._environ.get(f"{name}_FILE")}
        client = self._service.runtime.client
        trusted = b"" if client is None else client.authorities_digest()
        return {**{name: _digest(Path(path)) for name, path in files.items()}, _CA_FILE: trusted}


def _replace_keys(service: Service, settings: Settings) -> None:
    service.runtime.keys.replace(tuple(key.get_secret_value() for key in settings.encryption_keys))
    service.heartbeat.hasten()  # rotate-keys waits until every replica has the newest key.


def _replace_credential_keys(service: Service, settings: Settings) -> None:
    service.authentication.keys.replace(tuple(key.get_secret_value() for key in settings.credential_encryption_keys))


def _digest(file: Path) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return b""  # What is wrong with it is a problem of the settings.
