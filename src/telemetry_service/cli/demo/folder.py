"""The demo's folder: its database, its secrets (mode 0600) and the License Server's files.

It is kept at the end, so that a demo continues where it was stopped. A demo that was stopped before its past was
complete starts over.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.sealing.keyring import generate_key

_PRIVATE = 0o600
_NAME = "demo.json"

TRIAL_LEFT = timedelta(days=29, hours=6)
"""The remaining time of the trial license when the demo begins."""


class DemoFolderError(TelemetryError):
    """The folder cannot be used for a demo."""

    code = "demo-folder-refused"
    sentence = "This folder cannot be used for a demo."


class DemoIncompleteError(TelemetryError):
    """The reporter, which the demo's Control Plane uses, is not installed."""

    code = "demo-incomplete"
    sentence = (
        "The demo reports with the package control-core-telemetry-reporter, which is not installed. Install it from"
        " clients/python, or as control-core-telemetry[demo]."
    )


class DemoSecrets(BaseModel):
    """What must stay the same when the demo is restarted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encryption_key: str
    credential_encryption_key: str
    admin_password: str
    api_key: str
    """The first key of the installation."""
    later_api_key: str
    """Its successor."""
    control_token: str
    """Opens the License Server's control interface."""
    trial_expires_at: str
    """When the trial license ends, by the service and the License Server."""
    license_server_port: int = 0
    complete: bool = False
    """Whether the past is complete."""


def new_secrets(trial_expires_at: datetime) -> DemoSecrets:
    """Generate the secrets of a new demo."""
    return DemoSecrets(
        encryption_key=generate_key(),
        credential_encryption_key=generate_key(),
        admin_password=secrets.token_urlsafe(18),
        api_key=f"ck_demo_{secrets.token_urlsafe(24)}",
        later_api_key=f"ck_demo_{secrets.token_urlsafe(24)}",
        control_token=secrets.token_urlsafe(24),
        trial_expires_at=rfc3339(trial_expires_at),
    )


class DemoFolder:
    """A folder that contains only a demo."""

    def __init__(self, path: Path) -> None:
        """Name the folder; ``taken`` prepares it."""
        self.path = path.absolute()

    @contextmanager
    def taken(self, now: datetime, *, fresh: bool) -> Iterator[DemoSecrets]:
        """Lock the folder for this process; yield the secrets of its demo, or of a new one that begins ``now``.

        Raises:
            DemoFolderError: it contains something else, another demo is using it, or it cannot be written.
        """
        self._check()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("w")
        except OSError:
            message = f"{self.path} is not writable."
            raise DemoFolderError(message) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"A demo is already running in {self.path}; stop it, or choose another folder with --folder."
                raise DemoFolderError(message) from None
            yield self._continued(now, fresh=fresh)

    def keep(self, secrets_: DemoSecrets) -> None:
        """Write the secrets atomically."""
        self.write(_NAME, secrets_.model_dump_json(indent=2))

    def write(self, name: str, text: str) -> None:
        """Write a file that only its owner can read."""
        unfinished = self.path / f"{name}.new"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w") as file:
            file.write(text + "\n")
        unfinished.replace(self.path / name)

    def _check(self) -> None:
        """Refuse a folder with other files: a new demo empties its folder."""
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / "lock").exists():
            message = f"{self.path} contains something other than a demo; choose another folder with --folder."
            raise DemoFolderError(message)

    def _continued(self, now: datetime, *, fresh: bool) -> DemoSecrets:
        try:
            found = DemoSecrets.model_validate_json((self.path / _NAME).read_bytes())
        except (OSError, ValidationError):
            found = None
        if found is not None and found.complete and not fresh:
            return found
        self._empty()
        begun = new_secrets(now + TRIAL_LEFT)
        self.keep(begun)
        return begun

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
