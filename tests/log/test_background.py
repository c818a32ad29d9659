"""Nothing waits for the reader of the log: not a call, not a probe, not the end."""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.log.background import BackgroundHandler, DescriptorHandler
from telemetry_service.log.events import Event
from telemetry_service.log.options import LogFormat
from telemetry_service.log.rendering import make_formatter
from telemetry_service.log.write import LOGGER, log_event
from tests.log.conftest import Deployment
from tests.support.license_server import API_KEY
from tests.support.program import kept_environment

SMALLEST_PIPE = 4096
F_SETPIPE_SZ = 1031


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe with as little room as there can be."""
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(writing, F_SETPIPE_SZ, SMALLEST_PIPE)
    except OSError:
        pytest.skip("this system's pipes have a size of their own")
    try:
        yield reading, writing
    finally:
        for end in (reading, writing):
            os.close(end)


def test_what_finds_no_room_is_dropped_and_counted_once_somebody_reads(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = logging.getLogger(LOGGER)
    with pipe() as (reading, writing):
        inner = DescriptorHandler(writing)
        inner.setFormatter(make_formatter(LogFormat.JSON))
        handler = BackgroundHandler(inner, lines_waiting=100)
        logger.addHandler(handler)
        for number in range(1_000):  # It would block for ever at about the thirtieth.
            log_event(Event.ATTEMPT_STARTED, number=number, trigger="tick")
        logger.removeHandler(handler)
        read = b""
        while b"lines_dropped" not in read or not read.endswith(b"\n"):
            read += os.read(reading, SMALLEST_PIPE)
        handler.flush()
    lines = [json.loads(line) for line in read.splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "attempt_started"]
    dropped = sum(line["suppressed"] for line in lines if line["event"] == "lines_dropped")
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert len(numbers) + dropped == 1_000
    assert dropped > 0


def test_a_service_whose_log_is_not_read_responds_and_ends(deployment: Deployment) -> None:
    with pipe() as (reading, writing):
        service = subprocess.Popen(
            [sys.executable, "-m", "telemetry_service.cli", "serve", "--port", "0"],
            cwd=deployment.folder,
            env={**kept_environment(), **deployment.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        try:
            read = b""
            while b"service_started" not in read or not read.endswith(b"\n"):
                read += os.read(reading, SMALLEST_PIPE)
            [started] = [line for line in map(json.loads, read.splitlines()) if line["event"] == "service_started"]
            url = f"http://{started['listening']}"
            for _ in range(60):  # Each is a line, and together they are more than the pipe holds.
                saved = deployment.call(url, Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY})
                assert saved.status_code == 200
            assert httpx.get(f"{url}/healthz", trust_env=False, timeout=30).status_code == 200
            service.send_signal(signal.SIGTERM)
            assert service.wait(100) == 0
        finally:
            service.kill()
            service.wait()
