"""Which ways in are open. No session outlasts the way that its person came in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry_service.storage.database import Transaction

OPEN_AFTER_PASSWORD = timedelta(hours=1)
"""Anyone who can set the password on the host can also change the settings, and so gains nothing by it."""


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """What the deployment has opened, and what the command on the host opens for a while."""

    local_login: bool = True
    """False where the deployment has closed the login with a password."""
    issuer: str | None = None
    """Of the provider that people log in at; None if there is none."""

    def is_local_login_open(self, tx: Transaction, now: datetime) -> bool:
        """Whether a password is taken. ``admin set-password`` opens a closed login: the way in when the issuer is down.

        No other new password does: someone who is logged in must not keep open what the deployment has closed.
        """
        if self.local_login:
            return True
        opened_at = tx.identity.login_opened_at()
        return opened_at is not None and timedelta(0) <= now - opened_at < OPEN_AFTER_PASSWORD

    def admit(self, tx: Transaction, issuer: str | None, now: datetime) -> bool:
        """Whether a session of this issuer continues; None is the local administrator's."""
        return self.is_local_login_open(tx, now) if issuer is None else issuer == self.issuer
