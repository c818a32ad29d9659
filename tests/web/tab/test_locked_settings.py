"""What the deployment sets is shown as locked, with its variable, and a form leaves it as it is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.pipeline.actions.configure import reveal_api_key
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.web.tab import paths
from tests.support.actors import ADMIN
from tests.support.running import Running

KEY = "ck_of_the_deployment_0123"
ENVIRONMENT = {
    "TELEMETRY_CONFIG_FREQUENCY": "monthly",
    "TELEMETRY_CONFIG_ENCRYPT_PAYLOAD": "true",
    "TELEMETRY_CONFIG_ANONYMIZE_PII": "false",
    "TELEMETRY_CONFIG_RETENTION_DAYS": "365",
    "TELEMETRY_API_KEY": KEY,
}
FORM = {
    "frequency": "daily",
    "retention_days": "7",
    "anonymize_pii": "on",
    "enabled": "on",
}


@pytest.fixture
def locked(sqlite_url: str) -> Iterator[Running]:
    with Running(sqlite_url, ENVIRONMENT) as running:
        yield running


def session(service: Running) -> tuple[dict[str, str], str]:
    """Return the headers of a new session, and its CSRF token."""
    cookies, csrf = service.log_in()
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}, csrf


def page(service: Running) -> str:
    response = service.client.get(paths.SETTINGS, headers=session(service)[0])
    assert response.status_code == 200
    return response.text


def post(service: Running, path: str, **form: str) -> int:
    headers, csrf = session(service)
    version = read_now(service.context.runtime, read_configuration).stored.version
    data = {**FORM, "csrf_token": csrf, "version": str(version), **form}
    return service.client.post(path, data=data, headers=headers).status_code


def test_each_control_is_disabled_and_says_by_which_variable(locked: Running) -> None:
    shown = page(locked)
    for variable in ENVIRONMENT:
        assert f"{variable} sets this." in shown
    for name in ("encrypt_payload", "anonymize_pii"):
        assert re.search(rf'<input [^>]*id="{name}"[^>]*\bdisabled\b', shown), name
        assert re.search(rf'<input [^>]*id="{name}"[^>]*aria-describedby="[^"]*\b{name}-locked"', shown), name
    for name in ("frequency", "retention_days"):
        assert f'disabled aria-describedby="{name}-locked"' in shown
    for name in ("api_key", "replace", "remove-key"):
        assert f'id="{name}"' not in shown
    assert KEY not in shown


_ASKS_FOR_A_KEY = re.compile(r"\b(enter|paste|replace|save|type)\b[^.<]*\bkey\b|type the new one", re.IGNORECASE)
_NOT_WHILE_LOCKED = {
    "demo.html": "warns of a key, and asks for none",
    "frame_login.html": "someone had typed a key before the session ended",
    "login.html": "the same",
    "macros/controls.html": "controls() leaves it out",
    "settings/confirm.html": "someone has typed a key",
    "settings/connection_buttons.html": "has Save only while someone enters a key",
    "settings/key_entry.html": "connection.html includes it only if the key is not locked",
    "settings/relogin.html": "names the variable instead",
    "settings/remove_key.html": "a key of the deployment cannot be removed",
    "settings/unsaved.html": "someone has typed a key",
}


def test_no_page_asks_for_a_key_that_the_deployment_sets(locked: Running) -> None:
    root = Path(__file__).parents[3] / "templates"
    asking = {path.relative_to(root) for path in root.rglob("*.html") if _ASKS_FOR_A_KEY.search(path.read_text())}
    assert {str(path).removeprefix("telemetry/") for path in asking} == _NOT_WHILE_LOCKED.keys()
    headers, _ = session(locked)
    shown = locked.client.get(paths.TAB, headers=headers).text + page(locked)
    assert not _ASKS_FOR_A_KEY.search(re.sub(r"<[^>]*>", "", shown))
    assert "TELEMETRY_API_KEY" in (root / "telemetry/settings/relogin.html").read_text()


def test_without_such_variables_nothing_is_locked(sqlite_url: str) -> None:
    with Running(sqlite_url) as running:
        assert "Locked by the deployment" not in page(running)


def test_a_form_saves_the_rest_and_leaves_what_is_locked(locked: Running) -> None:
    assert post(locked, paths.SAVE, enabled="") == 200, "it asks before telemetry is turned off"
    assert post(locked, paths.SAVE, enabled="", confirmed="off") == 303
    values = read_now(locked.context.runtime, read_configuration).stored.values
    assert values.model_dump(mode="json") == {
        "enabled": False,
        "frequency": "monthly",
        "encrypt_payload": True,
        "anonymize_pii": False,
        "retention_days": 365,
    }


def test_another_key_and_no_key_are_refused(locked: Running) -> None:
    assert post(locked, paths.API_KEY, api_key="ck_of_someone_else_0123456") == 409
    assert post(locked, paths.REMOVE_KEY) == 409
    assert reveal_api_key(locked.context.runtime, ADMIN) == KEY
