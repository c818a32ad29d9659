"""Each event of the table is written somewhere, with the fields that the table says, and nothing else ever is."""

import ast
from pathlib import Path

import telemetry_service
from telemetry_service.log.events import EVENTS, Event
from telemetry_service.log.fields import FIELDS

SOURCE = Path(telemetry_service.__file__).parent


def _calls() -> list[tuple[str, ast.Call]]:
    """Return every call of ``log_event`` in the service, directly or by ``partial``, and the file that it stands in."""
    return [
        (file.relative_to(SOURCE).as_posix(), node)
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) in {"log_event", "partial"}
    ]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _events_of(call: ast.Call) -> set[Event]:
    return {
        Event[node.attr]
        for argument in call.args
        for node in ast.walk(argument)
        if isinstance(node, ast.Attribute) and _name(node.value) == "Event"
    }


def test_every_call_hands_over_only_fields_that_its_event_has() -> None:
    for file, call in _calls():
        for event in _events_of(call):
            given = {keyword.arg for keyword in call.keywords}
            assert given <= set(EVENTS[event].fields), (file, event)


def test_every_event_is_written_somewhere() -> None:
    text = "\n".join(file.read_text() for file in SOURCE.rglob("*.py") if file != SOURCE / "log" / "events.py")
    assert {event for event in Event if f"Event.{event.name}" not in text} == set()


def test_no_other_code_writes_a_line() -> None:
    for file in sorted(SOURCE.rglob("*.py")):
        if file.relative_to(SOURCE).parts[0] in {"log", "reference"}:
            continue
        text = file.read_text()
        for word in ("_log.", "logging.info", "logging.warning", "logging.error", "traceback.print"):
            assert word not in text, f"{file.name}: write an event with log_event"


def test_no_field_of_the_table_is_never_given() -> None:
    given = {keyword.arg for _file, call in _calls() for keyword in call.keywords}
    assert set(FIELDS) - given - {"address", "logger"} == set()
