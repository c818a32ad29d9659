"""Keeps the secrets in this process's memory and environment from other programs of the same user."""

import ctypes
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def protect_memory() -> None:
    """Write no core dump, and, on Linux, let no other process of this user read the memory or the environment."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # A C library without prctl.
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
