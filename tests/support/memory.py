"""The file system in memory, where a commit does not wait for a disk."""

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - each user makes a folder of its own in it
_BYTES = 2 * 1024**3
"""What must be free: more than a run ever holds there."""


def memory(*, for_programs: bool) -> Path | None:
    """Return the folder of the file system in memory, or None where there is none that will do.

    Args:
        for_programs: programs are to run from it too, which some machines forbid.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _BYTES:
        return None
    if for_programs and os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return _MEMORY
