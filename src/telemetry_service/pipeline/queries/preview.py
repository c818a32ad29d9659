"""The preview: exactly what would be sent if the open period ended now. It also works while telemetry is off."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.errors import (
    KeyUnusableError,
    NotConfiguredError,
    PayloadContradictionError,
    RowUnreadableError,
    TelemetryError,
)
from telemetry_service.domain.health import Health
from telemetry_service.domain.payload import HealthStatus, PreparedPayload
from telemetry_service.domain.payload_version import version_of
from telemetry_service.domain.periods import DayCount, Period, PeriodCounts, add_up
from telemetry_service.domain.stored_payload import read_stored
from telemetry_service.domain.transmissions import Transmission
from telemetry_service.domain.verdict import Verdict
from telemetry_service.pipeline.queries.source import SourceView, read_source
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.pipeline.stages.aggregate import aggregate
from telemetry_service.pipeline.stages.prepare import complete, outgoing_customer_id, seal_for_preview
from telemetry_service.sealing.sealer import Sealed

_STAND_IN = "cus_000000"
"""Stands in for an unknown customer ID, so that all other fields are validated; never shown."""

_YOUNG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs from the last accepted payload; ``before`` is None if it was absent."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class SealedDescription:
    """The sealed form: the body and the headers as they would be sent now."""

    content_type: str
    key_id: str
    signature: str
    body: str
    body_bytes: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """The six figures of the guide."""

    counts: PeriodCounts
    health_status: HealthStatus


@dataclass(frozen=True, slots=True)
class Preview:
    """The open period as figures and as the payload it would become."""

    now: datetime
    period: Period
    counts: PeriodCounts
    days: tuple[DayCount, ...]
    verdict: Verdict
    bouncers_registered: int
    waiting_codes: tuple[str, ...]
    """The extension codes in the payload, oldest first."""
    payload: dict[str, Any] | None
    """None only if the numbers contradict each other; ``customer_id`` is None until it is known how it is sent."""
    error: TelemetryError | None
    """Why the payload, or its customer_id, cannot be shown."""
    version: str | None
    """Names what is shown, for *Send Now*; None if it could not be sent."""
    sealed: SealedDescription | None
    difference: tuple[FieldChange, ...]
    last_accepted_id: str | None
    """The transmission that ``difference`` compares with; None if retention kept none."""
    source: SourceView
    customer_id_clear: str | None
    customer_id_sent: str | None

    @property
    def figures(self) -> Figures:
        """The six figures of the guide."""
        return Figures(self.counts, self.health.status)

    @property
    def health(self) -> Health:
        """The state with its cause and the next step."""
        return self.verdict.health

    @property
    def just_opened(self) -> bool:
        """Whether the period is so young that no report can be missed yet."""
        return self.now - self.period.opened_at < _YOUNG

    @property
    def enabled(self) -> bool:
        """Whether telemetry is on."""
        return self.verdict.situation.setup.enabled


def build_preview(snapshot: Snapshot) -> Preview:
    """Return the preview of the open period."""
    tx, now = snapshot.tx, snapshot.now
    customer_id, error = _customer_id(snapshot)
    days, counts, uncounted = _counts(snapshot)
    payload, contradiction = (None, uncounted) if uncounted else _payload(snapshot, customer_id, counts)
    sealed = seal_for_preview(snapshot, payload) if payload and customer_id else None
    shown = _shown(payload, customer_id, now)
    last = tx.transmissions.last_accepted()
    return Preview(
        now=now,
        period=snapshot.period,
        counts=counts,
        days=days,
        verdict=snapshot.verdict,
        bouncers_registered=payload.deployed_bouncer_count if payload else tx.bouncers.count(),
        waiting_codes=payload.redeemed_extension_codes if payload else _codes(snapshot),
        payload=shown,
        error=contradiction or error,
        version=_version(snapshot, payload) if payload and customer_id else None,
        sealed=_describe(sealed) if sealed else None,
        difference=_difference(_stored(snapshot, last), shown) if last and shown else (),
        last_accepted_id=str(last.transmission_id) if last else None,
        source=read_source(snapshot),
        customer_id_clear=snapshot.customer_id,
        customer_id_sent=customer_id,
    )


def _customer_id(snapshot: Snapshot) -> tuple[str | None, TelemetryError | None]:
    try:
        return outgoing_customer_id(snapshot), None
    except (NotConfiguredError, KeyUnusableError) as error:
        return None, error


def _payload(
    snapshot: Snapshot, customer_id: str | None, counts: PeriodCounts
) -> tuple[PreparedPayload | None, TelemetryError | None]:
    try:
        return aggregate(snapshot, customer_id or _STAND_IN, counts), None
    except (PayloadContradictionError, RowUnreadableError) as error:
        return None, error


def _counts(snapshot: Snapshot) -> tuple[tuple[DayCount, ...], PeriodCounts, TelemetryError | None]:
    periods, period_id = snapshot.tx.periods, snapshot.period.period_id
    try:
        days = periods.day_counts(period_id)
        return days, periods.counts(period_id, days), None
    except RowUnreadableError as error:
        return (), add_up((), 0, 0), error


def _codes(snapshot: Snapshot) -> tuple[str, ...]:
    try:
        return snapshot.tx.extension_codes.waiting()
    except RowUnreadableError:
        return ()  # The payload's error says which column it is.


def _shown(payload: PreparedPayload | None, customer_id: str | None, now: datetime) -> dict[str, Any] | None:
    if payload is None:
        return None
    shown = complete(payload, now).model_dump(mode="json")
    return {**shown, "customer_id": customer_id, "transmitted_at": rfc3339(now)}


def _describe(sealed: Sealed) -> SealedDescription:
    message = sealed.message
    return SealedDescription(
        content_type=message.content_type,
        key_id=message.key_id,
        signature=message.signature,
        body=message.body.decode("ascii"),
        body_bytes=len(message.body),
        encrypted=sealed.encrypted,
    )


def _stored(snapshot: Snapshot, transmission: Transmission) -> dict[str, Any]:
    content = snapshot.tx.evidence.get(transmission.transmission_id, transmission.prepared_sha256)
    return read_stored(content) or {}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[FieldChange, ...]:
    old = _flat(before)
    new = {name: value for name, value in _flat(after).items() if name != "transmitted_at"}
    names = dict.fromkeys((*new, *old))
    return tuple(FieldChange(n, old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _version(snapshot: Snapshot, payload: PreparedPayload) -> str:
    return version_of(snapshot.configuration, payload, snapshot.runtime.schemas.current.sha256)
