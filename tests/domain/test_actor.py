"""The label of an actor: what the log, the activity list and stored request keys have held since the first version."""

import pytest

from telemetry_service.domain.actor import DEPLOYMENT, SCHEDULE, SERVICE, Actor, ActorKind, stranger
from tests.support.each import each

LABELS = {
    ActorKind.PERSON: (Actor(ActorKind.PERSON, "admin", "Ada Lovelace", "192.0.2.7"), "admin"),
    ActorKind.TOKEN: (Actor(ActorKind.TOKEN, "abcdefghijkl", "control-plane", "192.0.2.7"), "token:control-plane"),
    ActorKind.COMMAND: (Actor(ActorKind.COMMAND, "operator"), "cli"),
    ActorKind.SCHEDULE: (SCHEDULE, "schedule"),
    ActorKind.DEPLOYMENT: (DEPLOYMENT, "deployment"),
    ActorKind.SERVICE: (SERVICE, "service"),
    ActorKind.STRANGER: (stranger("192.0.2.7"), "nobody"),
}


@each("kind", ActorKind)
def test_every_kind_has_its_label(kind: ActorKind) -> None:
    actor, label = LABELS[kind]
    assert actor.kind is kind
    assert actor.label == label


@pytest.mark.parametrize("address", ["192.0.2.7", None])
def test_a_stranger_has_an_address_at_most(address: str | None) -> None:
    assert stranger(address) == Actor(ActorKind.STRANGER, id=None, name=None, address=address)
