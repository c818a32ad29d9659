"""People: who is logged in, according to whom, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.domain.actor import Actor, ActorKind


class Role(StrEnum):
    """What a person may do: look and export, or everything."""

    VIEWER = "viewer"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Person:
    """A person that the service itself, or an issuer of identities, has authenticated."""

    issuer: str | None
    """None for the local administrator."""
    subject: str
    """The account, or the issuer's ``sub``."""
    name: str | None
    """For display. It identifies no one: two people may have the same."""
    role: Role

    @property
    def shown(self) -> str:
        """The name to show."""
        return self.name or self.subject

    def actor(self, address: str | None) -> Actor:
        """Return the person, calling from ``address``, as the actor. Only issuer and subject together are unique."""
        unique = self.subject if self.issuer is None else f"{self.issuer}|{self.subject}"
        return Actor(ActorKind.PERSON, unique, self.name, address)
