"""A line of the log: its two formats, its fields, and what it never holds."""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from uuid import UUID

import pytest

from telemetry_service.domain.causes import EXPLANATIONS
from telemetry_service.log.context import request_context
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.fields import FIELDS, WITHHELD, FieldValue, as_written
from telemetry_service.log.hooks import install_hooks
from telemetry_service.log.options import LogFormat
from telemetry_service.log.rendering import make_formatter
from telemetry_service.log.start_warnings import SENTENCES
from telemetry_service.log.write import LOGGER, log_event
from tests.support.each import each

SECRET = "ck_live_canary_4711"
ID = UUID("01890000-0000-7000-8000-000000000001")
LIBRARIES = ["psycopg", "apscheduler.scheduler", "uvicorn.error", "sqlalchemy.engine", "asyncio", "py.warnings", "root"]
BOTH = pytest.mark.parametrize("log_format", LogFormat)


class Written:
    """What a handler of the test's own has written."""

    def __init__(self, log_format: LogFormat, *, journal: bool = False) -> None:
        self._stream = StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(make_formatter(log_format, journal=journal))

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def line(self) -> dict[str, object]:
        [line] = self.text.splitlines()
        found: dict[str, object] = json.loads(line)
        return found


@pytest.fixture
def ours() -> Iterator[logging.Logger]:
    logger = logging.getLogger(LOGGER)
    before, level = logger.handlers[:], logger.level
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers[:] = before
    logger.setLevel(level)


def _record(name: str, message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), info)


def _raised() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        _fail()
    return caught.value


def _fail() -> None:
    try:
        int(SECRET)
    except ValueError as cause:
        raise RuntimeError(SECRET) from cause


def test_a_json_line_has_a_zoned_time_a_level_an_event_and_its_fields(ours: logging.Logger) -> None:
    written = Written(LogFormat.JSON)
    ours.addHandler(written.handler)
    with request_context("request-1", "192.0.2.7"):
        log_event(Event.ATTEMPT_STARTED, transmission_id=ID, number=2, trigger="tick")
    line = written.line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert line == {
        "level": "info",
        "event": "attempt_started",
        "transmission_id": str(ID),
        "number": 2,
        "trigger": "tick",
        "request_id": "request-1",
    }


def test_a_console_line_says_the_same(ours: logging.Logger) -> None:
    written = Written(LogFormat.CONSOLE)
    ours.addHandler(written.handler)
    log_event(Event.CONNECTION_TEST_FAILED, step="tls", cause="certificate_expired", key="saved", duration_ms=12)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[warning ", written.text)
    for word in ("connection_test_failed", "step=tls", "cause=certificate_expired", "duration_ms=12"):
        assert word in written.text


def test_for_the_journal_a_line_begins_with_its_priority(ours: logging.Logger) -> None:
    written = Written(LogFormat.JSON, journal=True)
    ours.addHandler(written.handler)
    log_event(Event.SERVICE_STOPPED)
    log_event(Event.LOGIN_FAILED, failures=1)
    log_event(Event.STORAGE_FAILED, code="storage-full")
    assert [line[:4] for line in written.text.splitlines()] == ["<6>{", "<4>{", "<3>{"]


def test_only_events_with_an_address_show_it(ours: logging.Logger) -> None:
    written = Written(LogFormat.JSON)
    ours.addHandler(written.handler)
    with request_context("r", "2001:db8::7"):
        log_event(Event.LOGIN_FAILED, failures=3)
        log_event(Event.CONFIGURATION_SAVED, actor="admin", changed=("frequency",))
    failed, saved = (json.loads(line) for line in written.text.splitlines())
    assert (failed["address"], failed["failures"]) == ("2001:db8::7", 3)
    assert "address" not in saved
    assert saved["changed"] == ["frequency"]


def test_a_field_that_an_event_does_not_have_is_not_written(ours: logging.Logger) -> None:
    written = Written(LogFormat.JSON)
    ours.addHandler(written.handler)
    log_event(Event.LOGIN_FAILED, actor=SECRET, failures=1)
    assert SECRET not in written.text


@each("name", FIELDS)
@each(
    "value",
    [
        "https://license.example/v1",
        "postgresql://telemetry:secret@db.example:5432/telemetry",
        "two words of a library: [Errno 111]",
        "line\nbreak",
        "fe80::1%\x1b[31m\n",
        "x" * 500,
        ("https://license.example",),
        "",
    ],
)
def test_what_has_not_the_form_of_its_field_is_withheld(name: str, value: FieldValue) -> None:
    assert as_written(name, value) == WITHHELD


@BOTH
@each("name", LIBRARIES)
def test_of_what_a_library_says_only_who_said_it_and_where_is_written(log_format: LogFormat, name: str) -> None:
    record = _record(name, f"connection to {SECRET}.example:5432 failed", _raised())
    text = make_formatter(log_format).format(record)
    assert SECRET not in text
    assert "example" not in text
    assert "5432" not in text
    assert "library_message" in text
    for part in (name, "RuntimeError", "test_lines.py:"):
        assert part in text
    assert "\n" not in text


@BOTH
def test_our_own_message_that_is_not_an_event_is_not_repeated_either(log_format: LogFormat) -> None:
    text = make_formatter(log_format).format(_record(f"{LOGGER}.web", SECRET))
    assert SECRET not in text
    assert f"{LOGGER}.web" in text


def test_an_uncaught_exception_is_an_event_and_its_text_is_not_printed(
    ours: logging.Logger, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(LogFormat.JSON)
    ours.addHandler(written.handler)
    for owner, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(owner, hook, getattr(owner, hook))
    install_hooks()
    thread = threading.Thread(target=_fail, name=SECRET)
    thread.start()
    thread.join()
    error = _raised()
    sys.excepthook(type(error), error, error.__traceback__)
    lines = [json.loads(line) for line in written.text.splitlines()]
    assert [(line["event"], line["job"], line["error"]) for line in lines] == [
        ("unexpected_exception", "thread", "RuntimeError"),
        ("unexpected_exception", "process", "RuntimeError"),
    ]
    assert all("test_lines.py:" in line["place"] for line in lines)
    assert SECRET not in written.text
    assert capfd.readouterr() == ("", "")


def test_every_sentence_that_a_line_can_hold_has_the_form_of_one() -> None:
    sentences = [*SENTENCES.values(), *(explanation.sentence for explanation in EXPLANATIONS.values())]
    assert [one for one in sentences if as_written("sentence", one) != one] == []


def test_every_event_has_a_meaning_and_only_fields_that_there_are() -> None:
    assert set(EVENTS) == set(Event)
    for event, meaning in EVENTS.items():
        assert set(meaning.fields) <= set(FIELDS), event
        assert meaning.sentence.endswith("."), event
        assert meaning.limit is None or set(meaning.limit.by) <= set(meaning.fields), event
    assert {name for meaning in EVENTS.values() for name in meaning.fields} == set(FIELDS)
