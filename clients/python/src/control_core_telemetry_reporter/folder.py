"""The folder of spools: one file for each process, because two cannot append to one without waiting for each other.

A lock says whose file it is. It ends with its process, however that ends, so that another one sends what it left.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from control_core_telemetry_reporter.journal import SUFFIX, DamagedError, NewerFormatError, open_journal
from control_core_telemetry_reporter.options import Options
from control_core_telemetry_reporter.spool import Spool


class SpoolFolder:
    """Opens spools that no other process has."""

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self._options = options
        self.damaged = 0
        """Files that could not be read."""

    def open_own(self) -> Spool:
        """Return a spool for this process: one that another process left, or else a new one. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for spool in self.left_by_others():
            return spool
        return self._create()

    def left_by_others(self) -> Iterator[Spool]:
        """Yield the spools of processes that have ended. Raises OSError."""
        for path in sorted(self.path.glob("*" + SUFFIX)):
            if (spool := self._open(path)) is not None:
                yield spool

    def _create(self) -> Spool:
        opened = open_journal(self.path / f"{uuid4().hex}{SUFFIX}", create=True)
        if opened is None:
            raise BlockingIOError("another process took the new spool")
        journal, records = opened
        return Spool.restore(journal, records, self._options)

    def _open(self, path: Path) -> Spool | None:
        try:
            opened = open_journal(path)
        except DamagedError:
            self.damaged += 1
            return None
        except (NewerFormatError, PermissionError):
            return None  # A later version, or another user, sends it.
        if opened is None:
            return None
        journal, records = opened
        try:
            return Spool.restore(journal, records, self._options)
        except DamagedError:
            path.replace(path.with_suffix(".damaged"))
            journal.close()
            self.damaged += 1
            return None
