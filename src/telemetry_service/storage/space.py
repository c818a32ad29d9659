"""Checks for free disk space. A heartbeat alone would not show it, because its row already exists."""

import os
from pathlib import Path

from telemetry_service.domain.errors import StorageFullError

LEAST_BYTES = 1024 * 1024
"""Roughly what the largest call takes, including SQLite's journal."""


def check_space(file: Path) -> None:
    """Check that the disk of ``file`` has room.

    If the disk does not report its size, writing will show whether there is room.

    Raises:
        StorageFullError: the disk is almost full.
    """
    try:
        disk = os.statvfs(file)
    except OSError:
        return
    # root may use the space reserved for root.
    blocks = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    if disk.f_blocks and blocks * disk.f_frsize < LEAST_BYTES:
        raise StorageFullError
