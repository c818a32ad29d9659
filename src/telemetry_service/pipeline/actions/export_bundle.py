"""Exports waiting transmissions as a bundle: each is an attempt whose response comes back as a receipt, in a file."""

from dataclasses import dataclass, field
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.bundle import MOST, Bundle, Exported, bundled
from telemetry_service.domain.errors import (
    NoBundlesError,
    NothingToExportError,
    PayloadChangedError,
    PayloadContradictionError,
    PayloadSchemaUnknownError,
)
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.domain.obstacles import bars_bundles
from telemetry_service.log.events import Event
from telemetry_service.log.write import log_event
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.anonymize import CustomerNamedError, anonymize, refuse_customer
from telemetry_service.pipeline.stages.claim import completed, export, refuse_payload
from telemetry_service.storage.ledger_sweep import readable

_Refused = PayloadChangedError | PayloadContradictionError


def export_bundle(runtime: Runtime, actor: Actor) -> Bundle:
    """Return a bundle of the waiting payloads, under the present API key. Nothing is sent.

    What an earlier bundle took is in it too while its receipt is missing: the ID keeps it counted once.

    Raises:
        NoBundlesError: payloads are sent online.
        TelemetryDisabledError: telemetry is off.
        NotConfiguredError: no API key is stored.
        KeyUnusableError: the stored API key cannot be opened.
        NothingToExportError: nothing waits.
        NotVerifiedYetError: the ledger has to be verified first.
    """
    export_ = _Export(runtime, actor)
    bundle = export_.run()
    for transmission_id, error in export_.refused.items():
        refuse_payload(runtime, transmission_id, error)
    if bundle is None:
        raise NothingToExportError
    log_event(Event.BUNDLE_EXPORTED, actor=actor.label, transmissions=len(bundle.exported))
    return bundle


@dataclass(frozen=True, slots=True)
class _Export:
    runtime: Runtime
    actor: Actor
    refused: dict[UUID, _Refused] = field(default_factory=dict)
    """The transmissions whose stored payload must not leave."""
    named: set[UUID] = field(default_factory=set)
    """Those whose payload has the customer ID, although anonymization is on."""

    def run(self) -> Bundle | None:
        """Export. First, prepare again what has the customer ID as plain text; what still has it then is left out."""
        try:
            return self._run()
        except CustomerNamedError:
            for transmission_id in self.named:
                anonymize(self.runtime, transmission_id)
        return self._run(again=True)

    def _run(self, *, again: bool = False) -> Bundle | None:
        """Export in one transaction, so that no file exists that the ledger does not know."""
        now = self.runtime.clock.now()
        with self.runtime.database.write() as tx:
            snapshot = Snapshot(self.runtime, tx, now, decides=True)
            _check(snapshot)
            chosen = tx.transmissions.to_export(now, MOST)
            exported = tuple(it for known in chosen if (it := self._export(snapshot, known)))
            if self.named and not again:
                raise CustomerNamedError
            if not exported:
                return None
            left = tx.transmissions.count_to_export() - len(chosen)
            bundle = bundled(exported, str(exported[-1].message.ledger), now, left)
            said: dict[str, Value] = {"of": "bundle", "transmissions": len(exported), "bundle_sha256": bundle.sha256}
            tx.ledger.note(now, self.actor, Kind.EXPORTED, said)
        return bundle

    def _export(self, snapshot: Snapshot, transmission_id: UUID) -> Exported | None:
        runtime, tx, now = snapshot.runtime, snapshot.tx, snapshot.now
        before = readable(lambda: tx.transmissions.get(transmission_id))
        if before is None:
            return None  # Someone has written into its row; the history says so.
        try:
            payload = completed(runtime, tx, before, now)
            if snapshot.configuration.values.anonymize_pii:
                refuse_customer(runtime, tx, transmission_id, payload.payload)
        except (PayloadChangedError, PayloadContradictionError) as error:
            self.refused[transmission_id] = error
            return None
        except CustomerNamedError:
            self.named.add(transmission_id)
            return None
        except PayloadSchemaUnknownError:
            return None  # A replica of the newer version exports it.
        sealed = export(snapshot, transmission_id, payload)
        after = tx.transmissions.get(transmission_id)
        if sealed is None or after is None:
            return None
        return Exported(after, sealed.message, sealed.body_sha256, sealed.encrypted)


def _check(snapshot: Snapshot) -> None:
    if not snapshot.runtime.deployment.in_bundles:
        raise NoBundlesError
    bar = bars_bundles(snapshot.setup)
    if bar is not None:
        raise bar.refusal()
