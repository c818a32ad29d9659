"""The file of reports that were set aside, for a person to read: a JSON document on each line."""

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from control_core_telemetry_reporter.report import Report

NAME = "refused.jsonl"
_MOST_BYTES = 4 * 1024 * 1024


class RefusedFile:
    """Appends to the file. When it is full, it becomes ``refused.jsonl.1`` and replaces the one before."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def append(self, reports: Mapping[Report, str], now: float) -> None:
        """Write reports with their reasons. Raises OSError."""
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        lines = [json.dumps({"at": at, "reason": reason, **report.document}) for report, reason in reports.items()]
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, "".join(line + "\n" for line in lines).encode())
            os.fsync(descriptor)
            if os.fstat(descriptor).st_size > _MOST_BYTES:
                self.path.replace(self.path.with_name(NAME + ".1"))
        finally:
            os.close(descriptor)
