"""The service's statements, compiled once in each worker instead of once for each engine.

SQLAlchemy keeps what it compiled with the engine, and nearly every test makes an engine of its own. All engines of one
kind compile a statement to the same text, so they can share it.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event

Key = tuple[Any, ...]
"""As SQLAlchemy builds it: the dialect of an engine, then all that makes up a statement."""


class Compiled(dict[Key, object]):
    """What was compiled, whichever engine of the same kind asks."""

    def get(self, key: Key, default: object = None) -> object:
        """Return what was compiled for an equal statement."""
        return super().get(_shared(key), default)

    def __setitem__(self, key: Key, value: object) -> None:
        super().__setitem__(_shared(key), value)


def _shared(key: Key) -> Key:
    dialect, *statement = key
    return (type(dialect), dialect.server_version_info, *statement)


def share_compiled() -> None:
    """Let every engine of this process share from now on."""
    compiled = Compiled()

    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)

    event.listen(Engine, "engine_connect", share)
