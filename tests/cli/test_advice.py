"""What a command advises leads on: never back to the same command, which would only say the same again."""

from collections.abc import Iterator

from telemetry_service.domain.causes import Cause, step_after
from telemetry_service.domain.health import assess
from telemetry_service.domain.source_errors import SourceError
from tests.support.situations import situations


def _about_the_source() -> Iterator[str]:
    kinds: list[type[SourceError]] = [SourceError, *SourceError.__subclasses__()]
    return (f"{kind.sentence} {kind.next_step}" for kind in kinds)


def _about_the_connection() -> Iterator[str]:
    return (step_after(cause, key_locked=locked)[0] for cause in Cause for locked in (False, True))


def _about_the_health() -> Iterator[str]:
    """Every finding; none depends on the runs of the schedule alone."""
    seen = set()
    for situation in situations():
        health = assess(situation)
        if health.code not in seen:
            seen.add(health.code)
            yield f"{health.cause} {health.next_step}"


def test_no_command_advises_to_run_itself() -> None:
    connection, source, health = (
        tuple(texts()) for texts in (_about_the_connection, _about_the_source, _about_the_health)
    )
    shown = {
        "source check": source,
        "test-connection": connection,
        "send-now": connection,
        "history": connection,
        "preview": health,
        "doctor": (*source, *connection, *health),
    }
    assert min(map(len, (source, connection, health))) > 8
    circles = [
        (command, text)
        for command, texts in shown.items()
        for text in texts
        if f"run telemetry-service {command}" in text.lower()
    ]
    assert circles == []
