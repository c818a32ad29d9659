"""One transmission: what was sent, its proof, every attempt in plain words, and what comes next."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from telemetry_service.domain.transmissions import Attempt
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import Proof, prove
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.history_query import HistoryQuery


@dataclass(frozen=True, slots=True)
class Drawer:
    """A transmission in its drawer, with the bytes of its latest attempt."""

    detail: TransmissionDetail
    proof: Proof | None
    """The latest attempt's; None before the first."""
    key_id: str | None
    """That of the present API key; None if there is none."""
    query: HistoryQuery
    """The part of the history behind the drawer."""

    @property
    def latest(self) -> Attempt | None:
        """The latest attempt."""
        return self.detail.attempts[-1] if self.detail.attempts else None

    @property
    def payload(self) -> dict[str, Any]:
        """The payload as the latest attempt prepared it, or else as stored."""
        payload: dict[str, Any] = json.loads(self.proof.payload if self.proof else self.detail.transmission.payload)
        return payload

    def body_gone(self, attempt: Attempt) -> bool:
        """Whether the API key that encrypted the body has been replaced, so that it cannot be reproduced."""
        return attempt.encrypted and attempt.key_id != self.key_id


def transmission_section(snapshot: Snapshot, transmission_id: UUID, query: HistoryQuery) -> dict[str, Any]:
    """Return the drawer of a transmission.

    Raises:
        NotFoundError: there is no such transmission.
    """
    detail = read_transmission(snapshot, transmission_id)
    proof = prove(snapshot, detail.transmission, detail.attempts[-1]) if detail.attempts else None
    key = snapshot.configuration.api_key
    return {"now": snapshot.now, "drawer": Drawer(detail, proof, key.key_id if key else None, query)}
