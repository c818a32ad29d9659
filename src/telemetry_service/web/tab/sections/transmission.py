"""One transmission: what was sent, its proof, every attempt in plain words, and what comes next."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.stored_payload import read_stored
from telemetry_service.domain.transmissions import Attempt, Transmission
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.queries.release import can_release, can_withdraw, was_accepted
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery


@dataclass(frozen=True, slots=True)
class Drawer:
    """A transmission in its drawer, with the bytes of its latest attempt."""

    detail: TransmissionDetail
    proof: Proof
    """What was checked of it just now."""
    can_release: bool
    """Whether it waits for its release although its row says something else."""
    can_withdraw: bool
    was_accepted: bool
    """Whether it was accepted, although someone has changed its row and it is not sent."""
    query: HistoryQuery
    """The part of the history behind the drawer."""
    newer: UUID | None
    """The next newer transmission of that history."""
    older: UUID | None

    @property
    def latest(self) -> Attempt | None:
        """The latest attempt."""
        return self.detail.attempts[-1] if self.detail.attempts else None

    @property
    def exact(self) -> bytes | None:
        """The payload as the latest attempt sent it, or else as stored; None if it is gone."""
        return self.proof.payload_of(self.latest) if self.latest else self.proof.prepared

    @property
    def payload(self) -> dict[str, Any] | None:
        """The same as an object; None if it cannot be read."""
        return read_stored(self.exact)

    def body_gone(self, attempt: Attempt) -> bool:
        """Whether the bytes of an attempt are gone: a version without a ledger made it, or they were erased."""
        return self.proof.body_of(attempt) is None


def transmission_section(snapshot: Snapshot, transmission_id: UUID, query: HistoryQuery) -> dict[str, Any]:
    """Return the drawer of a transmission.

    Raises:
        NotFoundError: there is no such transmission.
    """
    around = {it.transmission_id: it for it in snapshot.tx.transmissions.around(query.filter, transmission_id)}
    found = around.get(transmission_id)
    known = found if isinstance(found, Transmission) else None
    detail = read_transmission(snapshot, transmission_id, known, with_bytes=True)
    transmission = detail.transmission
    others = [it for it in around.values() if it.transmission_id not in {None, transmission_id}]
    withdrawable = can_withdraw(snapshot, transmission, detail.attempts)
    drawer = Drawer(
        detail,
        prove(snapshot, detail),
        can_release=can_release(snapshot, transmission),
        can_withdraw=withdrawable,
        was_accepted=was_accepted(snapshot, transmission),
        query=query,
        newer=next((it.transmission_id for it in others if it.sequence > transmission.sequence), None),
        older=next((it.transmission_id for it in others if it.sequence < transmission.sequence), None),
    )
    return {"now": snapshot.now, "drawer": drawer}
