"""A log that is given to the support bundle: the service's own words are kept, and no other word is in any field."""

import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from uuid import UUID

import telemetry_service
from telemetry_service.cli.support.log_lines import last_lines
from telemetry_service.cli.support.vocabulary import in_our_words
from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.transmissions import State
from telemetry_service.log.events import EVENTS
from telemetry_service.log.fields import FIELDS, WITHHELD, FieldValue, Form, as_written
from telemetry_service.log.start_warnings import StartWarning
from telemetry_service.settings import KNOWN_VARIABLES

NUMBER = int.from_bytes(b"canary, as a number")
IMITATIONS: dict[Form, tuple[FieldValue, ...]] = {
    Form.CODE: ("canary", "CanaryError", "canary-refused", "lib.canary", "cus_Canary4711", "storage-busy:canary"),
    Form.CODES: (("canary",), ("TELEMETRY_CANARY", "canary_4711")),
    Form.VERSION: ("canary", "1.0+canary", "0022_canary", "1.0rccanary"),
    Form.COUNT: (NUMBER,),
    Form.MOMENT: ("1234-56-78T47:11:99Z", "2026-11-15T47114711471147Z"),
    Form.ADDRESS: ("203.0.113.77", "2001:db8::203"),
    Form.LISTENING: ("203.0.113.77:8080",),
    Form.PLACE: ("canary/service.py:1", "home/canary/x.py:12", "../../canary:1", "canary:4711"),
    Form.DIGEST: ("ca" * 32,),
    Form.SENTENCE: ("A canary sings.",),
    Form.FLAG: (True,),
    Form.ID: (UUID("01980000-0000-7000-8000-000000000001"),),
}
"""What the log would write in a field of each form, and what the service never says. The last two have no room."""

TOLD = ("canary", "4711", str(NUMBER)[:9], "203.0.113", "2001:db8", "cacaca")


def test_no_field_of_any_event_keeps_a_word_that_is_not_the_services_own(tmp_path: Path) -> None:
    forged = [*_forged()]
    assert {name for line in forged for name in line} >= set(FIELDS), "no field was left out"
    log, shown = tmp_path / "service.log", []
    for first in range(0, len(forged), 500):  # As many as are read of a log, and fewer.
        part = forged[first : first + 500]
        log.write_text("".join(f"{json.dumps(line)}\n" for line in part))
        shown += last_lines(log)
    assert [(line["event"], *line) for line in shown if any(told in json.dumps(line).lower() for told in TOLD)] == []
    assert len(shown) == len(forged)


def _forged() -> Iterator[dict[str, object]]:
    """Yield, for each field of each event, a line with each imitation; the log itself would write it."""
    for event, meaning in EVENTS.items():
        for name in meaning.fields:
            for value in IMITATIONS[FIELDS[name]]:
                written = as_written(name, value)
                assert written != WITHHELD, (name, value)
                yield {"time": "2026-11-15T02:00:00.123Z", "level": "info", "event": event.value, name: written}


def test_the_services_own_words_are_kept() -> None:
    for name, words in _own_words().items():
        lost = {word for word in words if in_our_words(name, word) != word}
        assert lost == set(), name
    variables = (*sorted(KNOWN_VARIABLES), "canary")
    assert in_our_words("settings", variables) == [*sorted(KNOWN_VARIABLES), "? (6 characters)"]


def _own_words() -> dict[str, set[str]]:
    """Return what the service can say in the fields for which there is a list."""
    for module in pkgutil.walk_packages(telemetry_service.__path__, "telemetry_service."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    kinds = [*_below(TelemetryError)]
    return {
        "cause": {*Cause},
        "state": {*State},
        "warning": {*StartWarning},
        "code": {kind.code for kind in kinds} | {"response-not-read", "requests-pipelined"},
        "error": {kind.__name__ for kind in kinds} | {"TimeoutError", "OperationalError", "ReadError", "MemoryError"},
        "logger": {"asyncio", "uvicorn.error", "apscheduler.executors.default", "sqlalchemy.pool", "py.warnings"},
        "route": {"post_usage"},
        "place": {"pipeline/stages/claim.py:12", "uvicorn/server.py:1", "threading.py:99"},
        "version": {telemetry_service.__version__, "1.10.2", "2.0rc1"},
        "before": {"nothing", "0001", "0022"},
    }


def _below(kind: type[TelemetryError]) -> Iterator[type[TelemetryError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
