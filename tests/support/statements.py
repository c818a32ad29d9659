"""Counts what the code under test asks of its databases."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Engine, event

_OF_A_TRANSACTION = ("BEGIN", "PRAGMA", "SET ", "SHOW ")
"""What opens a transaction or a connection is counted as that, and not as a statement."""


@dataclass
class Asked:
    """The statements that were executed, each by its verb, and the number of transactions."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0


@contextmanager
def counted_statements() -> Iterator[Asked]:
    """Count what this thread and those that serve requests ask of all engines of this process in the block."""
    asked, test = Asked(), threading.current_thread()

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if _serves(test) and not statement.lstrip().upper().startswith(_OF_A_TRANSACTION):
            asked.statements.append(statement.split(maxsplit=1)[0])

    def begin(_connection: object) -> None:
        asked.transactions += _serves(test)

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "begin", begin)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
        event.remove(Engine, "begin", begin)


def _serves(test: threading.Thread) -> bool:
    """Whether this is the test's thread, or serves a request. The heartbeat has its own, and writes when it likes."""
    present = threading.current_thread()
    return present is test or present.name.startswith("AnyIO")
