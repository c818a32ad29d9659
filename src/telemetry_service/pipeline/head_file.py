"""The head of the ledger in a file beside the database: a database that lacks this entry is an older copy of itself.

The file is written after the commit of the entry, within seconds, so it is never ahead of the database that wrote it.
It protects against a mistake, not against a person: a backup of the whole folder brings its own file along.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.storage.ledger import Head

_FORM = re.compile(r"(0|[1-9][0-9]{0,17}) ([0-9a-f]{64})\n")
_BYTES = 128

_OF_NO_LEDGER = Head(10**18 - 1, "0" * 64)
"""An entry that every database lacks."""


def read_head(runtime: Runtime) -> Head | None:
    """Return the head in the file, or None if there is no file, or nothing that can be read."""
    if runtime.head_file is None:
        return None
    try:
        with runtime.head_file.open("rb") as file:
            found = _FORM.fullmatch(file.read(_BYTES).decode("ascii"))
    except (OSError, ValueError):
        return None
    return None if found is None else Head(int(found[1]), found[2])


def write_head(runtime: Runtime) -> None:
    """Remember the present head, and write it into the file, if it has changed.

    A file that cannot be written is left as it is, and tried again.
    """
    with runtime.database.read() as tx:
        head = tx.ledger.head()
    if head != runtime.written_head.head:
        with suppress(OSError):
            if runtime.head_file is not None:
                _replace(runtime.head_file, f"{head.seq} {head.sha256}\n")
            runtime.written_head.head = head


def write_head_of_no_ledger(path: Path) -> None:
    """Let the next start find that its database was restored.

    Raises:
        OSError: the file cannot be written.
    """
    _replace(path, f"{_OF_NO_LEDGER.seq} {_OF_NO_LEDGER.sha256}\n")


def _replace(path: Path, text: str) -> None:
    """Write all of it or nothing. Not synchronized with the disk: a lost file only checks less."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    new.replace(path)
