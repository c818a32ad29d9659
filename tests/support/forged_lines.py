"""What somebody without any key may write into the ledger, so that it seems to say the number of an older stamp."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, text

from tests.support.ledger_lines import base64url, canonical, sha256
from tests.support.tampering import HEAD, LEDGER

_COPY = f"INSERT INTO {LEDGER} (seq, line, kind, at, actor) SELECT :seq, :line, kind, at, actor FROM {LEDGER}"

Forge = Callable[..., None]
"""Takes a connection, the ``name`` of a row, and the ``number`` of its older stamp."""


def add_a_line(connection: Connection, name: str, number: str) -> None:
    """Add a line that nobody signed."""
    seq, line, said = next(_lines(connection))
    _append(connection, _rewritten(line, said | {"seq": seq + 1, "prev": sha256(line), "stamps": {name: number}}))


def edit_a_line(connection: Connection, name: str, number: str) -> None:
    """Let the line about the latest change say the older number, under the signature that it has."""
    seq, line, said = next(it for it in _lines(connection) if name in it[2].get("stamps", {}))
    edited = _rewritten(line, said | {"stamps": said["stamps"] | {name: number}})
    connection.execute(text(f"UPDATE {LEDGER} SET line = :line WHERE seq = :seq"), {"line": edited, "seq": seq})
    connection.execute(text(f"UPDATE {HEAD} SET sha256 = :new WHERE seq = :seq"), {"new": sha256(edited), "seq": seq})


def copy_a_line(connection: Connection, name: str, number: str) -> None:
    """Repeat at the end the line that said the older number, as it was signed."""
    _append(connection, next(it[1] for it in _lines(connection) if it[2].get("stamps", {}).get(name) == number))


def take_a_line_away(connection: Connection, name: str, number: str) -> None:  # noqa: ARG001 - as the others
    """Cut the ledger off before the line about the latest change."""
    seq = next(it[0] for it in _lines(connection) if name in it[2].get("stamps", {}))
    connection.execute(text(f"DELETE FROM {LEDGER} WHERE seq >= :seq"), {"seq": seq})
    last, line, _said = next(_lines(connection))
    connection.execute(text(f"UPDATE {HEAD} SET seq = :seq, sha256 = :sha"), {"seq": last, "sha": sha256(line)})


FORGERIES: tuple[Forge, ...] = (add_a_line, edit_a_line, copy_a_line, take_a_line_away)


def _lines(connection: Connection) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the lines with what they say, newest first."""
    for seq, line in connection.execute(text(f"SELECT seq, line FROM {LEDGER} ORDER BY seq DESC")).all():
        yield seq, line, json.loads(urlsafe_b64decode(line.split(".")[1] + "=="))


def _rewritten(line: str, said: dict[str, Any]) -> str:
    header, _, signature = line.split(".")
    return f"{header}.{base64url(canonical(said))}.{signature}"


def _append(connection: Connection, line: str) -> None:
    last = connection.execute(text(f"SELECT max(seq) FROM {LEDGER}")).scalar_one()
    connection.execute(text(f"{_COPY} WHERE seq = :last"), {"seq": last + 1, "line": line, "last": last})
    connection.execute(text(f"UPDATE {HEAD} SET seq = :seq, sha256 = :sha"), {"seq": last + 1, "sha": sha256(line)})
