"""Who does something, and where from."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What an actor can be."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - the name of a kind
    COMMAND = "command"
    SCHEDULE = "schedule"
    DEPLOYMENT = "deployment"
    SERVICE = "service"
    """The service itself, for what it does without being asked."""
    STRANGER = "stranger"
    """Someone who is not logged in. The name typed at a failed login is never stored: it may be a password."""


PERSONAL = frozenset({ActorKind.PERSON, ActorKind.COMMAND})
"""Those that are people: the ledger has only salted digests of their IDs and names."""

_FIXED_LABELS = {
    ActorKind.COMMAND: "cli",
    ActorKind.SCHEDULE: "schedule",
    ActorKind.DEPLOYMENT: "deployment",
    ActorKind.SERVICE: "service",
    ActorKind.STRANGER: "nobody",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor: what kind, and what is known of it."""

    kind: ActorKind
    id: str | None = None
    """A token's ID, a person's account or ``issuer|subject``, or the operating system's user of a command."""
    name: str | None = None
    """A token's name, or a person's display name."""
    address: str | None = None
    """The caller's IP address, as far as a trusted proxy tells it; None where no call came over the network."""

    @property
    def personal(self) -> bool:
        """Whether its ID and its name are those of a person, so that the ledger has only their salted digests."""
        return self.kind in PERSONAL

    @property
    def label(self) -> str:
        """The actor in the log and in the activity list. Stored request keys depend on it."""
        if self.kind is ActorKind.PERSON:
            return _label_of_person(f"{self.id}")
        if self.kind is ActorKind.TOKEN:
            return f"token:{self.name}"
        return _FIXED_LABELS[self.kind]


def _label_of_person(account: str) -> str:
    """Return the label of a person. The log, which no one can erase, must not name a person whom an issuer knows."""
    if "|" not in account:
        return account
    return f"person:{hashlib.sha256(account.encode()).hexdigest()[:16]}"


SCHEDULE = Actor(ActorKind.SCHEDULE)
DEPLOYMENT = Actor(ActorKind.DEPLOYMENT)
SERVICE = Actor(ActorKind.SERVICE)


def stranger(address: str | None) -> Actor:
    """Return the actor of a call from ``address`` that no one is logged in for."""
    return Actor(ActorKind.STRANGER, address=address)
