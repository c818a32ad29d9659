"""The settings form as it stands, or as somebody has filled it in and must look at it again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.obstacles import LOCKED_OFF
from telemetry_service.domain.schedule import Frequency, next_runs
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.pipeline.queries.consequences import MOST_COUNTED
from telemetry_service.pipeline.queries.preview import Preview
from telemetry_service.web.tab.filters import Moment, moment, weekday
from telemetry_service.web.tab.labels import FREQUENCY, ON_OFF, RETENTION
from telemetry_service.web.tab.numbers import counted_up_to, size

DATES_SHOWN = 3
BODY_SHOWN = 160
"""Characters of a sealed body in the before and after; the whole of it is in the exact payload."""


@dataclass(frozen=True, slots=True)
class FrequencyCard:
    """One frequency with its next dates."""

    value: str
    name: str
    when: str
    dates: tuple[str, ...]
    checked: bool
    default: bool


@dataclass(frozen=True, slots=True)
class RetentionChoice:
    """One retention; ``deletes`` says what a shorter one than the present would delete."""

    value: int
    name: str
    words: str
    deletes: str | None
    checked: bool
    default: bool


@dataclass(frozen=True, slots=True)
class KeyView:
    """The API key without showing it."""

    hint: str | None
    """The last four characters; None where no key is configured."""
    set_at: Moment | None
    test_barred: str | None
    """Why the connection cannot be tested; None where it can."""
    show_barred: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that somebody else has saved otherwise than it stands in this form."""

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
class SettingsView:
    """Everything that the form shows."""

    version: int
    seen: str
    """The values that the form is shown with, in one text; it comes back with the form."""
    enabled: bool
    locked: str | None
    switch_note: str
    frequencies: tuple[FrequencyCard, ...]
    encrypt: bool
    anonymize: bool
    encryption: Sample
    anonymization: Sample
    retentions: tuple[RetentionChoice, ...]
    key: KeyView
    send_barred: str | None
    errors: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    unsaved: bool = False
    """Whether the form stands otherwise than what is saved."""
    stale: bool = False
    resumed: bool = False
    key_dropped: bool = False
    """Whether a key was typed that this answer does not repeat."""


def settings_view(
    configuration: ConfigurationView,
    preview: Preview,
    shown: Configuration,
    rows: Mapping[int, int],
    now: datetime,
) -> SettingsView:
    """Return the form with the values of ``shown``; ``rows`` are those that each shorter retention deletes."""
    stored = configuration.stored
    return SettingsView(
        version=stored.version,
        seen=configuration.values.model_dump_json(),
        enabled=shown.enabled and not configuration.locked,
        locked=LOCKED_OFF.text if configuration.locked else None,
        switch_note=configuration.verdict.switch_note,
        frequencies=tuple(_card(f, shown.frequency, now) for f in Frequency),
        encrypt=shown.encrypt_payload,
        anonymize=shown.anonymize_pii,
        encryption=_encryption_sample(preview),
        anonymization=_anonymization_sample(preview),
        retentions=tuple(_retention(days, shown.retention_days, rows) for days in RETENTION),
        key=_key(configuration, now),
        send_barred=_send_barred(configuration, preview),
    )


def differences(saved: Configuration, typed: Configuration) -> tuple[Difference, ...]:
    """Return where two configurations differ, in the words of the form."""
    pairs = (
        ("Enable Telemetry", ON_OFF[saved.enabled], ON_OFF[typed.enabled]),
        ("Transmission frequency", FREQUENCY[saved.frequency][0], FREQUENCY[typed.frequency][0]),
        ("Data encryption", ON_OFF[saved.encrypt_payload], ON_OFF[typed.encrypt_payload]),
        ("PII anonymization", ON_OFF[saved.anonymize_pii], ON_OFF[typed.anonymize_pii]),
        ("Local data retention", f"{saved.retention_days} days", f"{typed.retention_days} days"),
    )
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def _card(frequency: Frequency, chosen: Frequency, now: datetime) -> FrequencyCard:
    name, when = FREQUENCY[frequency]
    dates = tuple(weekday(run.date()) for run in next_runs(frequency, now, DATES_SHOWN))
    return FrequencyCard(frequency.value, name, when, dates, frequency is chosen, frequency is Frequency.TWICE_MONTHLY)


def _retention(days: int, chosen: int, rows: Mapping[int, int]) -> RetentionChoice:
    deletes = _deletes(rows[days]) if days in rows else None
    return RetentionChoice(days, f"{days} days", RETENTION[days], deletes, days == chosen, days == 30)  # noqa: PLR2004 - the guide's default


def _deletes(rows: int) -> str:
    return f"Deletes {counted_up_to(MOST_COUNTED, rows, 'row')} of older data" if rows else "Nothing to delete"


def _key(configuration: ConfigurationView, now: datetime) -> KeyView:
    fact, bar = configuration.stored.api_key, configuration.verdict.may.test_connection
    return KeyView(
        hint=fact.hint if fact else None,
        set_at=moment(fact.set_at, now) if fact else None,
        test_barred=bar.text if bar else None,
        show_barred=None if fact else "No API key is configured yet.",
    )


def _send_barred(configuration: ConfigurationView, preview: Preview) -> str | None:
    bar = configuration.verdict.may.send_now
    if bar is not None:
        return bar.text
    return preview.fault.text if preview.fault else None


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
