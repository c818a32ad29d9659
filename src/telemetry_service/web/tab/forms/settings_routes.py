"""Saves the settings: validated in place, never over a newer version, and asked first where something would be lost."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.errors import StaleConfigurationError
from telemetry_service.pipeline.actions.configure import save_configuration
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import MOST_COUNTED, count_rows_to_purge
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import Snapshot, read_now
from telemetry_service.pipeline.stages.aggregate import count
from telemetry_service.web.context import Context
from telemetry_service.web.security.authorization import CurrentCaller, CurrentSession, page
from telemetry_service.web.tab import paths
from telemetry_service.web.tab.filters import counted, counted_up_to
from telemetry_service.web.tab.forms.settings_form import (
    Question,
    ReadForm,
    SettingsForm,
    hidden_values,
    keep_changes,
    read_form,
    retention_question,
    switch_off_question,
    unanswered,
)
from telemetry_service.web.tab.history_query import history_query_behind
from telemetry_service.web.tab.messages import message
from telemetry_service.web.tab.page import EVERYTHING_BUT_THE_FORM, NO_DIALOG, PAGE, SETTINGS, TOASTS, page_sections
from telemetry_service.web.tab.rendering import is_htmx, pages_of, session_context
from telemetry_service.web.tab.sections.settings import TypedForm

BESIDE = (*EVERYTHING_BUT_THE_FORM, TOASTS)
"""What a save may change beside the form itself."""

router = APIRouter(include_in_schema=False)


@router.post(paths.SAVE)
@page
def save(
    request: Request,
    context: Context,
    caller: CurrentCaller,
    session: CurrentSession,
    form: Annotated[SettingsForm, Form()],
) -> Response:
    """Save all settings, and the API key where one was typed, in one step."""
    runtime = context.runtime
    before = read_now(runtime, read_configuration)
    read = read_form(form, before.stored, locked=before.locked)
    answer = _Answer(request, runtime, session_context(session))
    if read.errors:
        return answer.form_again(TypedForm(read.values, read.errors, key_dropped=bool(form.api_key)))
    if before.stored.version != form.version:
        return answer.form_again(_stale(read, form, before))
    if read.values == before.values and read.api_key is None:
        return answer.saved("unchanged")
    questions = read_now(runtime, _questions, before, read.values)
    if unanswered(questions, form.confirmed):
        return answer.ask(form, questions, key_typed=read.api_key is not None)
    try:
        save_configuration(runtime, read.values, form.version, caller.actor, read.api_key)
    except StaleConfigurationError:
        return answer.form_again(_stale(read, form, read_now(runtime, read_configuration)))
    return answer.saved("saved-key" if read.api_key else "saved")


class _Answer:
    """The ways in which a save can be answered, each as a page and for htmx."""

    def __init__(self, request: Request, runtime: Runtime, shared: dict[str, Any]) -> None:
        self._request = request
        self._runtime = runtime
        self._shared = shared

    def saved(self, token: str) -> Response:
        if not is_htmx(self._request):
            return RedirectResponse(f"{paths.TAB}?done={token}", HTTPStatus.SEE_OTHER)
        return self._fragments((*BESIDE, NO_DIALOG), self._sections(None) | {"toast": message(token)})

    def form_again(self, typed: TypedForm) -> Response:
        shown = self._sections(typed)
        if is_htmx(self._request):
            return self._fragments((NO_DIALOG,), shown)
        status = HTTPStatus.PRECONDITION_FAILED if typed.stale else HTTPStatus.UNPROCESSABLE_ENTITY
        return pages_of(self._request).page(self._request, PAGE, shown, status)

    def ask(self, form: SettingsForm, questions: tuple[Question, ...], *, key_typed: bool) -> Response:
        off = questions[0].token == "off"  # noqa: S105 - the token of a question
        shown = self._shared | {
            "confirm": {
                "title": "Turn telemetry off?" if off else "Delete older data?",
                "button": "Turn off and save" if off else "Save and delete",
                "questions": questions,
                "hidden": hidden_values(form, questions),
                "key_dropped": key_typed and not is_htmx(self._request),
            }
        }
        pages = pages_of(self._request)
        if not is_htmx(self._request):
            return pages.page(self._request, "telemetry/alone.html", shown | {"dialog": "telemetry/confirm.html"})
        return pages.dialog(self._request, "telemetry/confirm.html", shown)

    def _sections(self, typed: TypedForm | None) -> dict[str, Any]:
        return read_now(self._runtime, page_sections, history_query_behind(self._request), typed) | self._shared

    def _fragments(self, beside: tuple[str, ...], shown: dict[str, Any]) -> Response:
        return pages_of(self._request).fragments(self._request, SETTINGS, beside, shown)


def _stale(read: ReadForm, form: SettingsForm, present: ConfigurationView) -> TypedForm:
    kept = keep_changes(read.values, form.seen, present.values)
    return TypedForm(kept, stale=True, key_dropped=read.api_key is not None)


def _questions(snapshot: Snapshot, before: ConfigurationView, after: Configuration) -> tuple[Question, ...]:
    saved = before.stored.values
    questions: list[Question] = []
    if before.enabled and not after.enabled:
        events = counted(count(snapshot).total_events, "audit event")
        questions.append(switch_off_question(snapshot.situation.waiting.total, events))
    if after.retention_days < saved.retention_days and (rows := count_rows_to_purge(snapshot, after.retention_days)):
        questions.append(retention_question(after.retention_days, counted_up_to(rows, MOST_COUNTED, "row")))
    return tuple(questions)
