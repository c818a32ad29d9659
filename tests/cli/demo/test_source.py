"""``make demo -- --source`` counts from an audit table that fills up."""

import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from telemetry_service.cli.demo.audit_table import VIEWS, AuditTable
from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from tests.support.running import Running
from tests.support.source import documented

ROOT = Path(__file__).parents[3]
BOUND = 30


def test_its_views_are_the_documented_ones() -> None:
    assert documented("sqlite", "views") == VIEWS


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (("demo",), "demo"),
        (("demo", "--", "--source"), "demo --source"),
        (("demo", "ARGS=--port 0", "--", "--fresh", "--source"), "demo --fresh --source --port 0"),
    ],
)
def test_make_passes_the_options_on(typed: tuple[str, ...], command: str) -> None:
    printed = subprocess.run(["/usr/bin/make", "-n", *typed], cwd=ROOT, capture_output=True, text=True, check=True)
    ran = [" ".join(line.split()) for line in printed.stdout.splitlines() if "telemetry-service demo" in line]
    assert ran == [f".venv/bin/telemetry-service {command}"]


def test_a_service_counts_what_the_control_plane_of_the_demo_writes(sqlite_url: str, tmp_path: Path) -> None:
    audit = AuditTable(tmp_path / "control-plane.db", SystemClock(), Random(7))  # noqa: S311 - a demo's figures
    audit.create()
    audit.create()
    with Running(sqlite_url, {"TELEMETRY_SOURCE_DATABASE_URL": audit.url}) as running, audit.filling_up():
        until = time.monotonic() + BOUND
        while not (said := _said(running))["rows"] and time.monotonic() < until:
            read_up_to_now(running.context.runtime)
            time.sleep(0.1)
    assert said["rows"] > 0
    assert said["obstacle"] is None


def _said(running: Running) -> dict[str, Any]:
    said: dict[str, Any] = running.call(Scope.READ, "GET", "telemetry/source").json()
    return said
