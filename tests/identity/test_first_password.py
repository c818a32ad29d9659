"""TELEMETRY_ADMIN_PASSWORD is for the first start; one that is corrected later is ignored, and said to be (F7)."""

import pytest

from telemetry_service.domain.errors import LoginFailedError
from telemetry_service.log.events import Event
from telemetry_service.service import Options, Service, open_for_command, open_service
from telemetry_service.settings import load_settings
from tests.settings.keys import VALID
from tests.support.actors import STRANGER
from tests.support.log_lines import lines_of
from tests.support.running import CHEAP, PASSWORD

CORRECTED = "another horse battery"


def started(database_url: str, password: str) -> Service:
    environ = VALID | {"TELEMETRY_DATABASE_URL": database_url, "TELEMETRY_ADMIN_PASSWORD": password}
    return open_service(load_settings(environ), Options(hash_cost=CHEAP, scheduled=False))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[object]:
    return [line["warning"] for line in lines_of(caplog, Event.DEPLOYMENT_WARNING)]


def test_a_password_that_comes_too_late_is_ignored_and_the_start_says_so(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    started(sqlite_url, PASSWORD).runtime.database.close()
    assert "password_ignored" not in warnings_of(caplog)
    service = started(sqlite_url, CORRECTED)
    assert "password_ignored" in warnings_of(caplog)
    assert CORRECTED not in caplog.text
    with pytest.raises(LoginFailedError):
        service.authentication.sessions.log_in("admin", CORRECTED, STRANGER)
    assert service.authentication.sessions.log_in("admin", PASSWORD, STRANGER).token
    service.runtime.database.close()


def test_a_deployment_that_goes_on_naming_the_password_is_not_warned(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        service = started(sqlite_url, PASSWORD)
        assert "password_ignored" not in warnings_of(caplog)
        service.runtime.database.close()


def test_a_command_warns_of_nothing(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    started(sqlite_url, PASSWORD).runtime.database.close()
    environ = VALID | {"TELEMETRY_DATABASE_URL": sqlite_url, "TELEMETRY_ADMIN_PASSWORD": CORRECTED}
    open_for_command(load_settings(environ)).runtime.database.close()
    assert warnings_of(caplog) == []
