"""The settings form: what was typed, what is wrong with it, and what has to be asked before it is saved."""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Form
from pydantic import BaseModel, Field, ValidationError

from telemetry_service.domain.configuration import Configuration, Retention, api_key_error
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.pipeline.queries.consequences import Consequences, read_consequences
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.sections.settings import TypedForm

_FREQUENCIES = {frequency.value: frequency for frequency in Frequency}
_RETENTIONS = {str(days.value): days.value for days in Retention}
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

    @property
    def key(self) -> str | None:
        """The API key that was typed: whoever pastes one often pastes the end of a line with it."""
        return self.api_key.strip() or None

    def repeated(self, confirmed: tuple[str, ...]) -> dict[str, object]:
        """Return the form once more for the confirmation, all but the API key: a secret is never repeated."""
        values = self.model_dump(exclude={"api_key", "key_typed"}) | {"confirmed": " ".join(confirmed)}
        return {name: value for name, value in values.items() if value}


SentForm = Annotated[SettingsForm, Form()]


def read_form(form: SettingsForm, saved: Configuration, *, locked: bool = False) -> TypedForm:
    """Return the values of a form; where one is wrong, what is ``saved`` stands in its place.

    A locked switch is not part of the form, so that saving the rest leaves it as it is.
    """
    frequency, retention = _FREQUENCIES.get(form.frequency), _RETENTIONS.get(form.retention_days)
    key_fault = api_key_error(form.key) if form.key else None
    errors = {
        "frequency": None if frequency else "Choose one of the four frequencies.",
        "retention_days": None if retention else "Choose one of the four retention periods.",
        "api_key": f"{key_fault} Enter the key again." if key_fault else None,
    }
    values = {
        "enabled": not locked and form.enabled == _ON,
        "frequency": frequency or saved.frequency,
        "encrypt_payload": form.encrypt_payload == _ON,
        "anonymize_pii": form.anonymize_pii == _ON,
        "retention_days": retention or saved.retention_days,
    }
    found = {name: error for name, error in errors.items() if error}
    return TypedForm(Configuration.model_validate(values), found, key_dropped=form.key is not None)


def kept_form(form: SettingsForm, present: ConfigurationView) -> TypedForm:
    """Keep what was chosen in a form that is not being saved: what it was sent for must not undo it."""
    return TypedForm(read_form(form, present.stored.values, locked=present.locked).values)


def overtaken(typed: TypedForm, form: SettingsForm, present: ConfigurationView) -> TypedForm:
    """Return a form as it is shown again because somebody else has saved since it was shown."""
    return replace(typed, values=keep_changes(typed.values, form.seen, present.values), stale=True)


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
class Losses:
    """What a save would do that cannot be taken back, or is not obvious: it is asked first."""

    after: Configuration
    switched_off: bool
    waiting: int
    """Payloads that would have to wait; counted only where telemetry is switched off."""
    found: Consequences

    @property
    def tokens(self) -> tuple[str, ...]:
        """What has to be confirmed; empty where nothing is lost."""
        off = ("off",) if self.switched_off else ()
        return (*off, f"retention-{self.after.retention_days}") if self.found.rows_deleted else off

    def confirmed_by(self, form: SettingsForm) -> bool:
        """Whether a form confirms all of it."""
        return set(self.tokens) <= set(form.confirmed.split())


def read_losses(snapshot: Snapshot, after: Configuration) -> Losses:
    """Return what saving ``after`` would lose."""
    switched_off = snapshot.enabled and not after.enabled
    waiting = snapshot.situation.waiting.total if switched_off else 0
    return Losses(after, switched_off, waiting, read_consequences(snapshot, after))
