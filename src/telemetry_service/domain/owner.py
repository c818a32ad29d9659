"""Who can fix something. Each cause, obstacle and health state has an owner."""

from enum import StrEnum


class Owner(StrEnum):
    """Who can take the next step; `nobody` if none is needed."""

    ADMINISTRATOR = "Control Core administrator"
    DEPLOYMENT = "Deployment owner"
    HOST = "Host administrator"
    NETWORK = "Network administrator"
    SUPPORT = "Control Core support"
    NOBODY = "nobody"


NOTHING_TO_DO = "No action needed."
"""The next step if there is none."""
