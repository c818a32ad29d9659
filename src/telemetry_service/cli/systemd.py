"""Tells systemd how the service is (sd_notify(3)). Without systemd, nothing happens."""

import os
import socket
import time
from contextlib import suppress

_ADDRESS = "NOTIFY_SOCKET"

_SECONDS = 1
"""The service never waits longer for a receiver that reads nothing."""


def notify_ready() -> None:
    """Say that the service accepts requests."""
    _notify("READY=1")


def notify_reloading() -> None:
    """Say that the settings are being read again; ``notify_ready`` says that it is done."""
    _notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping() -> None:
    """Say that the service stops."""
    _notify("STOPPING=1")


def notify_awake() -> None:
    """Say that the scheduler wakes. If it does not for as long as the unit allows, systemd restarts the service."""
    _notify("WATCHDOG=1")


def _notify(*lines: str) -> None:
    address = os.environ.get(_ADDRESS, "")
    if not address:
        return
    # An address that begins with @ is one without a file.
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_SECONDS)
        sender.sendto("\n".join(lines).encode(), name)
