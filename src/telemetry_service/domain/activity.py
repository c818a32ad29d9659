"""Who did what: the closed list of actions in the activity list."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Action(StrEnum):
    """What an administrator, a token or the schedule can do."""

    CONFIGURATION_SAVED = "configuration_saved"
    API_KEY_SET = "api_key_set"
    API_KEY_REMOVED = "api_key_removed"
    API_KEY_REVEALED = "api_key_revealed"
    CONNECTION_TESTED = "connection_tested"
    SENT_NOW = "sent_now"
    RETRIED = "retried"
    EXPORTED = "exported"
    TICK = "tick"
    PURGED = "purged"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an action
    TOKEN_CREATED = "token_created"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - the name of an action


@dataclass(frozen=True, slots=True)
class Activity:
    """One entry. ``details`` holds only names and values of closed sets, numbers and our own IDs."""

    at: datetime
    actor: str
    action: Action
    details: dict[str, str]
