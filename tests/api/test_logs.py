"""What is logged holds no text of an exception and no query."""

import logging
import logging.config

import pytest

from telemetry_service.access.scopes import Scope
from telemetry_service.web.logs import LOG_CONFIG, QuietFormatter
from telemetry_service.web.server import server_config
from tests.support.running import Running

SECRET = "ck_live_canary_4711"


def _record(error: BaseException) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__)
    return logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "it failed", (), info)


def _fail() -> None:
    try:
        int(SECRET)
    except ValueError as cause:
        raise RuntimeError(SECRET) from cause


def _raised() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        _fail()
    return caught.value


def test_of_an_exception_only_its_type_and_its_places_are_written() -> None:
    written = QuietFormatter("%(message)s").format(_record(_raised()))
    assert written.startswith("it failed\nRuntimeError\n")
    assert "test_logs.py" in written
    assert SECRET not in written


def test_there_is_no_access_log(shared: Running) -> None:
    assert server_config(shared.app, "127.0.0.1", 0).access_log is False
    assert logging.getLogger("uvicorn.access").disabled
    assert LOG_CONFIG["loggers"]["uvicorn.access"] == {"handlers": [], "propagate": False}


def test_what_callers_send_is_not_logged(shared: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        shared.call(Scope.READ, "GET", f"telemetry/history?cursor={SECRET}")
        shared.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": f"{SECRET} "})
        shared.call(Scope.REPORT, "POST", "usage", json={"reports": [SECRET]})
        shared.client.get(f"/{SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert SECRET not in "\n".join(ours)
