"""Who can fix something. Each cause, obstacle and state of health names one of these."""

from enum import StrEnum


class Owner(StrEnum):
    """The closed set; ``nobody`` exactly where there is nothing to do."""

    ADMINISTRATOR = "Control Core administrator"
    DEPLOYMENT = "deployment owner"
    HOST = "host administrator"
    NETWORK = "network administrator"
    SUPPORT = "Control Core support"
    NOBODY = "nobody"


NOTHING_TO_DO = "Nothing to do."
"""The next step that belongs to nobody."""
