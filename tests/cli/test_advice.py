"""What a command advises leads on: never back to the same command, which would only say the same again.

What the health advises is among the rules of ``tests/domain/test_verdict.py``.
"""

from telemetry_service.domain.causes import Cause, step_after
from telemetry_service.domain.source_errors import SourceError


def test_no_command_advises_to_run_itself() -> None:
    kinds: list[type[SourceError]] = [SourceError, *SourceError.__subclasses__()]
    source = tuple(f"{kind.sentence} {kind.next_step}" for kind in kinds)
    connection = tuple(step_after(cause, key_locked=locked)[0] for cause in Cause for locked in (False, True))
    shown = {
        "source check": source,
        "test-connection": connection,
        "send-now": connection,
        "history": connection,
        "doctor": (*source, *connection),
    }
    circles = [
        (command, text)
        for command, texts in shown.items()
        for text in texts
        if f"run telemetry-service {command}" in text.lower()
    ]
    assert circles == []
