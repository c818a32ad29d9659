"""Saves the settings: validates them, never overwrites a newer version, and asks before anything is lost."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import Response

from telemetry_service.domain.errors import StaleConfigurationError
from telemetry_service.pipeline.actions.configure import save_configuration
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import (
    Losses,
    SentForm,
    SettingsForm,
    overtaken,
    read_form,
    read_losses,
)
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.rendering import see_other
from telemetry_service.web.tab.sections.settings import TypedForm
from telemetry_service.web.tab.views import BY_THE_FIELDS, FIELDS, NO_DIALOG, SETTINGS, TOASTS, settings_view
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

router = Topic("tab", described=False)


@router.post(paths.SAVE)
@page
def save(visit: CurrentVisit, form: SentForm) -> Response:
    """Save all settings in one step, and the API key that a browser without scripts sends with them."""
    runtime = visit.runtime
    before = read_now(runtime, read_configuration)
    typed = read_form(form, before.stored.values, before.locked)
    if typed.errors:
        return _form_again(visit, typed)
    if before.stored.version != form.version:
        return _form_again(visit, overtaken(typed, form, before))
    nothing_changed = typed.values == before.values and not before.verdict.situation.setup.changed
    if nothing_changed and form.key is None:
        return _saved(visit, form, "unchanged")
    losses = read_now(runtime, read_losses, typed.values)
    if not losses.confirmed_by(form):
        return _ask(visit, form, losses)
    try:
        save_configuration(runtime, typed.values, form.version, visit.actor, form.key, overlap=form.overlap)
    except StaleConfigurationError:
        return _form_again(visit, overtaken(typed, form, read_now(runtime, read_configuration)))
    return _saved(visit, form, "saved-key" if form.key else "saved")


def _saved(visit: Visit, form: SettingsForm, token: str) -> Response:
    if not visit.htmx:
        return see_other(f"{paths.SETTINGS}?done={token}")
    shown = _sections(visit) | {"toast": message(token), "entering": form.entering == "on"}
    return visit.fragments(FIELDS, shown, *BY_THE_FIELDS, TOASTS, NO_DIALOG)


def _form_again(visit: Visit, typed: TypedForm) -> Response:
    if visit.htmx:
        return visit.fragments(FIELDS, _sections(visit, typed), NO_DIALOG)
    status = HTTPStatus.PRECONDITION_FAILED if typed.stale else HTTPStatus.UNPROCESSABLE_ENTITY
    return visit.page(SETTINGS, _sections(visit, typed), status)


def _ask(visit: Visit, form: SettingsForm, losses: Losses) -> Response:
    """Ask before anything is lost; htmx sends the key again, which is still in the form behind the dialog."""
    key_dropped = form.key is not None and not visit.htmx
    shown = {"losses": losses, "hidden": form.repeated(losses.tokens), "key_dropped": key_dropped}
    return visit.dialog("telemetry/settings/confirm.html", shown)


def _sections(visit: Visit, typed: TypedForm | None = None) -> dict[str, Any]:
    return read_now(visit.runtime, settings_view, typed)
