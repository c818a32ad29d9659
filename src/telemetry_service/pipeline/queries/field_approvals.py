"""What the payload of this version can contain, since when, and what of it waits for an approval."""

from dataclasses import dataclass
from functools import partial

from telemetry_service.domain.payload_schemas.difference import Change
from telemetry_service.domain.release import Announced, NewField
from telemetry_service.domain.transmissions import State, Transmission
from telemetry_service.pipeline.announcement import announced_schemas, changes_since_settled
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.storage.ledger_sweep import readable

_MOST = 10
"""The waiting payloads that are listed; the history has all of them."""


@dataclass(frozen=True, slots=True)
class FieldApprovals:
    """The schemas of this installation, and the waiting payloads."""

    schema_sha256: str
    """The one of this version."""
    announced: tuple[Announced, ...]
    """All that were announced, the one that was settled last first; those that are not settled come last."""
    new: NewField | None
    """What the present one adds or widens while its payloads wait for that; None if nothing waits."""
    changes: tuple[Change, ...]
    """The same field by field, with what it no longer contains."""
    waiting: tuple[Transmission, ...]
    """Payloads that wait: releasing one approves the fields for all."""

    @property
    def present(self) -> Announced | None:
        """The present schema as it was announced; None if it was not yet."""
        return next((each for each in self.announced if each.schema_sha256 == self.schema_sha256), None)


def read_field_approvals(snapshot: Snapshot) -> FieldApprovals:
    """Return them."""
    runtime, tx, sha256 = snapshot.runtime, snapshot.tx, snapshot.runtime.schemas.current.sha256
    new = snapshot.situation.new_field
    return FieldApprovals(
        schema_sha256=sha256,
        announced=announced_schemas(runtime, tx),
        new=new,
        changes=changes_since_settled(runtime, tx, sha256) if new else (),
        waiting=_waiting(snapshot) if new else (),
    )


def _waiting(snapshot: Snapshot) -> tuple[Transmission, ...]:
    transmissions = snapshot.tx.transmissions
    ids = transmissions.waiting(frozenset({State.AWAITING_RELEASE}))[:_MOST]
    found = (readable(partial(transmissions.get, it)) for it in ids)
    return tuple(it for it in found if it is not None)
