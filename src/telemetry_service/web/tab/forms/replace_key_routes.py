"""*Replace*: the field for a new API key, and its *Save*, which saves the key and nothing else.

Without JavaScript both receive the whole form, whose other changes stay there, unsaved.
"""

from http import HTTPStatus
from typing import Any

from fastapi.responses import Response

from telemetry_service.domain.configuration import api_key_error
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.web.security.authorization import page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.forms.settings_form import SentForm, SettingsForm, kept_form
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.sections.settings import with_error
from telemetry_service.web.tab.views import BY_THE_KEY, CONNECTION, SETTINGS, TOASTS, settings_view
from telemetry_service.web.tab.visit import CurrentVisit, Visit
from telemetry_service.web.topic import Topic

_SAVED = "key-saved"

router = Topic("tab", described=False)


@router.post(paths.REPLACE_KEY)
@page
def enter_key(
    visit: CurrentVisit,
    form: SentForm,
    entering: bool = True,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Show the field for a new key, or the saved key again."""
    return _connection(visit, form, {"entering": entering, "focus_key": entering, "key_saved": not entering})


@router.post(paths.API_KEY)
@page
def save_key(visit: CurrentVisit, form: SentForm) -> Response:
    """Save the key."""
    problem = api_key_error(form.key) if form.key else "No API key was entered."
    if form.key is None or problem is not None:
        return _connection(visit, form, {}, f"{problem} Enter the key again.")
    seen: list[int] = []

    def note(version: int) -> bool:
        seen.append(version)
        return True

    view = set_api_key(visit.runtime, form.key, visit.actor, note, overlap=form.overlap)
    # The form beside it may save what it shows, if it showed the version that the key was saved into.
    version = view.stored.version if seen == [form.version] else form.version
    return _connection(visit, form, {"toast": message(_SAVED), "key_saved": True, "version": version})


def _connection(visit: Visit, form: SettingsForm, state: dict[str, Any], wrong: str | None = None) -> Response:
    """Respond with the card of the connection; without JavaScript with the page, and the rest of the form as typed."""
    with open_snapshot(visit.runtime) as snapshot:
        typed = None if visit.htmx else kept_form(form, read_configuration(snapshot))
        shown = settings_view(snapshot, with_error(typed, snapshot, wrong)) | state
    if visit.htmx:
        beside = (*BY_THE_KEY, TOASTS) if "version" in state else ()
        return visit.fragments(CONNECTION, shown, *beside)
    return visit.page(SETTINGS, shown, HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK)
