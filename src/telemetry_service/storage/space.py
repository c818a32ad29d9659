"""Whether there is room for what the service writes. A heartbeat alone would not tell: its row is there already."""

import os
from pathlib import Path

from telemetry_service.domain.errors import StorageFullError

LEAST_BYTES = 1024 * 1024
"""About what one call with the most reports takes, with SQLite's journal of it."""


def check_space(file: Path) -> None:
    """Raise ``StorageFullError`` where the disk of ``file`` has hardly any room left.

    A disk that cannot be asked, or that knows no sizes, says nothing: a write will tell.
    """
    try:
        disk = os.statvfs(file)
    except OSError:
        return
    # What is kept back for root is root's to use.
    blocks = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    if disk.f_blocks and blocks * disk.f_frsize < LEAST_BYTES:
        raise StorageFullError
