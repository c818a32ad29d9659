"""The settings form: what was typed, its errors, and what must be confirmed before saving."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Form
from pydantic import BaseModel, Field, ValidationError

from telemetry_service.domain.configuration import Configuration, Retention, api_key_error
from telemetry_service.domain.consequences import Consequences
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.queries.configuration import ConfigurationView
from telemetry_service.pipeline.queries.consequences import read_consequences
from telemetry_service.pipeline.snapshot import Snapshot
from telemetry_service.web.tab.sections.settings import TypedForm

_FREQUENCIES = {frequency.value: frequency for frequency in Frequency}
_RETENTIONS = {str(days.value): days.value for days in Retention}
_ON = "on"


class SettingsForm(BaseModel):
    """The form as received; a checkbox that is off is not sent at all."""

    version: int = 0
    """The version that the form has seen; 0, which is never saved, if the form does not save."""
    seen: str = ""
    """The values that the form was shown with, so that only the changes of a stale form are kept."""
    enabled: str | None = None
    encrypt_payload: str | None = None
    anonymize_pii: str | None = None
    frequency: str = ""
    retention_days: str = ""
    api_key: str = Field(default="", repr=False)
    no_overlap: str | None = None
    """Set if the old API key must be destroyed now."""
    confirmed: str = ""
    entering: str = ""
    """Whether the form has the field for an API key open."""
    key_typed: str = ""
    """Set if a key was typed that is not in this form, because a secret must not be kept with the form."""

    @property
    def key(self) -> str | None:
        """The typed API key, without a line end, which is often pasted with it."""
        return self.api_key.strip() or None

    @property
    def overlap(self) -> bool:
        """Whether the old API key stays for a while."""
        return self.no_overlap != _ON

    def repeated(self, confirmed: tuple[str, ...]) -> dict[str, object]:
        """Return the form again for the confirmation, without the API key: a secret is never repeated."""
        values = self.model_dump(exclude={"api_key", "key_typed"}) | {"confirmed": " ".join(confirmed)}
        return {name: value for name, value in values.items() if value}


SentForm = Annotated[SettingsForm, Form()]


def read_form(form: SettingsForm, saved: Configuration, locked: Collection[Setting] = ()) -> TypedForm:
    """Return the values of a form; a wrong one is replaced by the ``saved`` one.

    What is ``locked`` is not part of the form, so that saving the rest leaves it as it is.
    """
    frequency, retention = _FREQUENCIES.get(form.frequency), _RETENTIONS.get(form.retention_days)
    key_error = api_key_error(form.key) if form.key else None
    problems = {
        "frequency": None if frequency else "Choose one of the four frequencies.",
        "retention_days": None if retention else "Choose one of the four retention periods.",
        "api_key": f"{key_error} Enter the key again." if key_error else None,
    }
    values = {
        "enabled": form.enabled == _ON,
        "frequency": frequency or saved.frequency,
        "encrypt_payload": form.encrypt_payload == _ON,
        "anonymize_pii": form.anonymize_pii == _ON,
        "retention_days": retention or saved.retention_days,
    }
    values |= {name: False if name == Setting.ENABLED else getattr(saved, name) for name in {*locked} & {*values}}
    errors = {name: problem for name, problem in problems.items() if problem and name not in locked}
    return TypedForm(Configuration.model_validate(values), errors, key_dropped=form.key is not None)


def kept_form(form: SettingsForm, present: ConfigurationView) -> TypedForm:
    """Keep the choices in a form that was sent for something other than saving."""
    return TypedForm(read_form(form, present.stored.values, present.locked).values)


def overtaken(typed: TypedForm, form: SettingsForm, present: ConfigurationView) -> TypedForm:
    """Return a form to show again because someone else has saved since it was shown."""
    return replace(typed, values=keep_changes(typed.values, form.seen, present.values), stale=True)


def keep_changes(typed: Configuration, seen: str, present: Configuration) -> Configuration:
    """Return the ``present`` values with the changes that a form made to the values it had ``seen``.

    A form that does not say what it has seen keeps everything that was typed.
    """
    try:
        before = Configuration.model_validate_json(seen)
    except ValidationError:
        return typed
    changes = {name: value for name, value in typed if value != getattr(before, name)}
    return present.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Losses:
    """Effects of a save that cannot be undone or are not obvious, to be confirmed first."""

    after: Configuration
    switched_off: bool
    waiting: int
    """Payloads that would have to wait; counted only if telemetry is turned off."""
    found: Consequences

    @property
    def tokens(self) -> tuple[str, ...]:
        """What must be confirmed; empty if nothing is lost."""
        off = ("off",) if self.switched_off else ()
        return (*off, f"retention-{self.after.retention_days}") if self.found.rows_deleted else off

    def confirmed_by(self, form: SettingsForm) -> bool:
        """Whether a form confirms everything."""
        return set(self.tokens) <= set(form.confirmed.split())


def read_losses(snapshot: Snapshot, after: Configuration) -> Losses:
    """Return what saving ``after`` would lose."""
    switched_off = snapshot.enabled and not after.enabled
    waiting = snapshot.situation.waiting.total if switched_off else 0
    return Losses(after, switched_off, waiting, read_consequences(snapshot, after))
