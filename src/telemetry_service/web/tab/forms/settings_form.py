"""The settings form: what was typed, what is wrong with it, and what has to be asked before it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError

from telemetry_service.domain.configuration import Configuration, Retention, StoredConfiguration, api_key_error
from telemetry_service.domain.phrases import payloads_kept
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.web.tab.sections.settings import TypedForm

_AND_GONE = "Enter the key again."
_FREQUENCY_WRONG = "Choose one of the four frequencies."
_RETENTION_WRONG = "Choose one of the four retention periods."
_RETENTIONS = {str(days.value): days.value for days in Retention}
_SWITCH_OFF = "off"
_ON = "on"


class SettingsForm(BaseModel):
    """The form as it arrives; a checkbox that is off does not arrive at all."""

    version: int = 0
    """What the form has seen; 0, which is never saved, where the form does not save."""
    seen: str = ""
    """The values that the form was shown with, so that of a stale one only what it changed is kept."""
    enabled: str | None = None
    encrypt_payload: str | None = None
    anonymize_pii: str | None = None
    frequency: str = ""
    retention_days: str = ""
    api_key: str = Field(default="", repr=False)
    confirmed: str = ""
    key_typed: str = ""
    """Set where a key was typed that is not in this form: it is a secret, and the form only shall be kept."""

    def configuration(self) -> Configuration:
        """Return the values as they were chosen.

        Raises:
            ValidationError: one of them is not a value of its setting.
        """
        values = {
            "enabled": self.enabled == _ON,
            "frequency": self.frequency,
            "encrypt_payload": self.encrypt_payload == _ON,
            "anonymize_pii": self.anonymize_pii == _ON,
            "retention_days": _RETENTIONS.get(self.retention_days),
        }
        return Configuration.model_validate(values, strict=False)


@dataclass(frozen=True, slots=True)
class ReadForm:
    """The form as values; where something is wrong, what is saved stands in its place."""

    values: Configuration
    api_key: str | None
    errors: Mapping[str, str]


def read_form(form: SettingsForm, stored: StoredConfiguration, *, locked: bool) -> ReadForm:
    """Return the values of a form; ``stored`` fills what the form cannot say.

    A locked switch is not part of the form, so that saving the rest leaves it as it is.
    """
    errors: dict[str, str] = {}
    saved = stored.values
    values = Configuration(
        enabled=not locked and form.enabled == _ON,
        frequency=_frequency(form.frequency, saved.frequency, errors),
        encrypt_payload=form.encrypt_payload == _ON,
        anonymize_pii=form.anonymize_pii == _ON,
        retention_days=saved.retention_days,
    )
    retention = _retention(form.retention_days, saved.retention_days, errors)
    return ReadForm(values.model_copy(update={"retention_days": retention}), _api_key(form.api_key, errors), errors)


def typed_form(form: SettingsForm, present: ConfigurationView) -> TypedForm:
    """Keep what else was chosen in a form that is not being saved: what it was sent for must not undo it."""
    read = read_form(form, present.stored, locked=present.locked)
    return TypedForm(read.values, key_dropped=bool(form.api_key))


def keep_changes(typed: Configuration, seen: str, present: Configuration) -> Configuration:
    """Return what is saved at ``present`` with the changes that a form made to the values it had ``seen``.

    A form that does not say what it has seen keeps all that was typed.
    """
    try:
        before = Configuration.model_validate_json(seen)
    except ValidationError:
        return typed
    changes = {name: value for name, value in typed if value != getattr(before, name)}
    return present.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Question:
    """Something that saving would do and that cannot be taken back, or is not obvious."""

    token: str
    title: str
    consequences: tuple[str, ...]


def unanswered(questions: tuple[Question, ...], confirmed: str) -> bool:
    """Whether one of the questions has not been confirmed."""
    return not {question.token for question in questions} <= set(confirmed.split())


def switch_off_question(waiting: int, events: str) -> Question:
    """Return what turning telemetry off does; ``waiting`` is the number of waiting payloads."""
    return Question(
        _SWITCH_OFF,
        "Telemetry stops",
        tuple(
            sentence
            for sentence in (
                "Scheduled runs, retries, and connection tests stop; nothing contacts the License Server.",
                f"The current period closes without a payload. Its counts ({events}) will never be sent.",
                payloads_kept(waiting, "once telemetry is on again"),
                "The License Server connection is prevented and feature gating is disabled.",
                "This is not recommended for production.",
            )
        ),
    )


def retention_question(days: int, rows: str) -> Question:
    """Return what a shorter retention deletes."""
    return Question(
        f"retention-{days}",
        f"{rows[:1].upper()}{rows[1:]} will be deleted",
        (
            f"Everything older than {days} days is deleted at the next daily purge and can’t be recovered.",
            "Transmissions and extension codes that are not accepted yet are kept.",
        ),
    )


def hidden_values(form: SettingsForm, questions: tuple[Question, ...]) -> tuple[tuple[str, str], ...]:
    """Return the form once more for the confirmation, all but the API key: a secret is never repeated."""
    values = {
        "version": str(form.version),
        "seen": form.seen,
        "enabled": form.enabled,
        "encrypt_payload": form.encrypt_payload,
        "anonymize_pii": form.anonymize_pii,
        "frequency": form.frequency,
        "retention_days": form.retention_days,
        "confirmed": " ".join(question.token for question in questions),
    }
    return tuple((name, value) for name, value in values.items() if value)


def _frequency(typed: str, saved: Frequency, errors: dict[str, str]) -> Frequency:
    if typed in {frequency.value for frequency in Frequency}:
        return Frequency(typed)
    errors["frequency"] = _FREQUENCY_WRONG
    return saved


def _retention(typed: str, saved: int, errors: dict[str, str]) -> int:
    if typed in _RETENTIONS:
        return _RETENTIONS[typed]
    errors["retention_days"] = _RETENTION_WRONG
    return saved


def _api_key(typed: str, errors: dict[str, str]) -> str | None:
    # Whoever pastes a key often pastes the end of a line with it.
    key = typed.strip()
    if not key:
        return None
    if (fault := api_key_error(key)) is not None:
        errors["api_key"] = f"{fault} {_AND_GONE}"
        return None
    return key
