"""The settings form as it stands, or as someone has filled it in and must look at it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.schedule import Frequency, next_runs
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.queries.preview import Preview
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.filters import size
from telemetry_service.web.tab.labels import FREQUENCY, ON_OFF, RETENTION

DATES_SHOWN = 3
BODY_SHOWN = 160
"""Characters of a sealed body in the before and after; the whole of it is in the exact payload."""


@dataclass(frozen=True, slots=True)
class TypedForm:
    """A form that was not saved: what was chosen in it, and what is wrong with it."""

    values: Configuration
    errors: Mapping[str, str] = field(default_factory=dict)
    stale: bool = False
    """Whether someone else has saved since the form was shown."""
    resumed: bool = False
    """Whether it comes from before a login."""
    key_dropped: bool = False
    """Whether a key was typed that this answer does not repeat."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is saved otherwise than it stands in this form."""

    name: str
    saved: str
    typed: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The same field, or the whole body, before and after."""

    before: str | None
    after: str | None
    note: str


@dataclass(frozen=True, slots=True)
class SettingsSection:
    """What is saved, and what the form shows instead where it was not saved."""

    configuration: ConfigurationView
    typed: TypedForm | None
    rows_to_purge: Mapping[int, int]
    """How many rows each retention that is shorter than the present one would delete."""

    @property
    def shown(self) -> Configuration:
        """The values that the form shows."""
        return self.typed.values if self.typed else self.configuration.values

    @property
    def seen(self) -> str:
        """The values that the form is shown with, in one text; it comes back with the form."""
        return self.configuration.values.model_dump_json()

    @property
    def errors(self) -> Mapping[str, str]:
        """What is wrong, by the name of the field."""
        return self.typed.errors if self.typed else {}

    @property
    def unsaved(self) -> bool:
        """Whether the form stands otherwise than what is saved."""
        typed = self.typed
        if typed is None:
            return False
        return typed.stale or typed.resumed or bool(typed.errors) or typed.values != self.configuration.values

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Where the form differs from what is saved, in the words of the form."""
        saved, typed = self.configuration.values, self.shown
        pairs = (
            ("Enable Telemetry", ON_OFF[saved.enabled], ON_OFF[typed.enabled]),
            ("Transmission frequency", FREQUENCY[saved.frequency][0], FREQUENCY[typed.frequency][0]),
            ("Data encryption", ON_OFF[saved.encrypt_payload], ON_OFF[typed.encrypt_payload]),
            ("PII anonymization", ON_OFF[saved.anonymize_pii], ON_OFF[typed.anonymize_pii]),
            ("Local data retention", f"{saved.retention_days} days", f"{typed.retention_days} days"),
        )
        return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def settings_section(snapshot: Snapshot, preview: Preview, typed: TypedForm | None) -> dict[str, Any]:
    """Return the form; the preview, which is of the same moment, shows what encryption and anonymization do."""
    configuration = read_configuration(snapshot)
    shorter = (days for days in RETENTION if days < configuration.stored.values.retention_days)
    rows = {days: count_rows_to_purge(snapshot, days) for days in shorter}
    return {
        "settings": SettingsSection(configuration, typed, rows),
        "encryption": _encryption_sample(preview),
        "anonymization": _anonymization_sample(preview),
    }


def next_dates(frequency: Frequency, now: datetime) -> tuple[date, ...]:
    """Return the days of the next runs at a frequency."""
    return tuple(run.date() for run in next_runs(frequency, now, DATES_SHOWN))


def _anonymization_sample(preview: Preview) -> Sample:
    clear, sent = preview.customer_id_clear, preview.customer_id_sent
    if clear is None:
        return Sample(None, None, "The customer ID is not known yet, so there is nothing to show.")
    if sent is None:
        return Sample(clear, None, "Shown once an API key is saved; the pseudonym is derived from it.")
    if sent == clear:
        return Sample(clear, sent, "The customer ID is sent unchanged.")
    return Sample(clear, sent, "Only the License Server, which has the API key, can identify the customer.")


def _encryption_sample(preview: Preview) -> Sample:
    sealed = preview.sealed
    before = f'{{"active_reporting_bouncer_count":{preview.counts.active_reporting_bouncer_count},"bouncer_count":…'
    if sealed is None:
        return Sample(
            before, None, "Shown once the connection is configured; the encryption key is derived from the API key."
        )
    note = f"{size(sealed.body_bytes)}, sent as {sealed.content_type}."
    return Sample(before, sealed.body[:BODY_SHOWN], note)
