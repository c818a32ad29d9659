"""A developer can follow docs/integrating.md: its commands run as they stand there, and so does the example."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.python.tests.support import Service as ReportedTo
from clients.python.tests.support import in_turn
from telemetry_service.domain.clock import SystemClock, time_ordered_id
from tests.support.fault_server import FaultServer, Visit
from tests.support.loopback import free_port
from tests.support.programs import needs
from tests.support.running import Running

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "integrating.md").read_text()
EXAMPLE = ROOT / "docs" / "examples" / "reporter.mjs"
NODE = shutil.which("node")
BOUNCER = "bnc-node-prd"

needs_node = needs(NODE, "Node.js is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the commands of the page use of a clone, with this checkout's environment."""
    folder = tmp_path / "clone"
    for name in ("Makefile", "pyproject.toml", "requirements", ".ci/environment", "docs/examples"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / ".runtime").touch()  # So that nothing is installed.
    return folder


def blocks(heading: str) -> list[str]:
    """Return the commands of a section of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.mark.timeout(400)
@pytest.mark.waits
def test_its_commands_lead_from_nothing_to_a_receipt(clone: Path) -> None:
    *way, stop = blocks("The first transmission")
    assert stop.startswith("kill")
    script = "".join([*way, *(blocks("With Node.js") if NODE else ()), stop])
    for port in ("8080", "8443"):
        script = script.replace(port, str(free_port()))
    ended = subprocess.run(
        ["/bin/bash", "-c", f"set -eo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(clone.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "True 1\n" in ended.stdout, "the report was accepted"
    assert '"receipt_verified": true' in ended.stdout
    assert re.search(r'"audit_events": *120|"total_events": *120', ended.stdout), ended.stdout
    assert ended.stdout.count("counted\n") == (25 if NODE else 0)


def test_every_block_of_commands_about_reports_is_run() -> None:
    about_reports, _, _ = PAGE.partition("\n## Counting from your own database\n")
    assert len(blocks("The first transmission")) + len(blocks("With Node.js")) == about_reports.count("```sh\n")


@pytest.fixture
def service(sqlite_url: str) -> Iterator[ReportedTo]:
    with Running(sqlite_url) as running:
        yield ReportedTo(running)


def start(service: ReportedTo, folder: Path, events: int, **environment: str) -> subprocess.Popen[str]:
    """Start the example as a program."""
    given = {"TELEMETRY_URL": service.url, "TELEMETRY_TOKEN": service.token, **environment}
    return subprocess.Popen(
        [str(NODE), str(EXAMPLE), str(events)], cwd=folder, env=given, stdout=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said


@needs_node
def test_the_node_example_loses_nothing_when_it_is_killed(service: ReportedTo, tmp_path: Path) -> None:
    counted = 0
    for wanted in (1, 40, 3, 90):
        process = start(service, tmp_path, 1_000_000)
        assert process.stdout is not None
        for _ in range(wanted):
            process.stdout.readline()
        process.kill()
        counted += wanted + process.stdout.read().count("counted\n")
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    said = finish(start(service, tmp_path, 5))
    assert said.endswith("sent\n")
    events = service.counted()[BOUNCER][0]
    assert 0 <= events - (counted + 5) <= 4, "the call in which it was killed may have been written"


@needs_node
def test_the_node_example_repeats_unchanged_and_sets_aside_what_is_refused(service: ReportedTo, tmp_path: Path) -> None:
    def lose(visit: Visit) -> None:
        service.forward(visit)
        visit.reset()

    def report(number: int, **counts: int) -> dict[str, object]:
        names = ("audit_events", "policy_decisions", "successful_decisions")
        given = dict.fromkeys(names, 1) | counts
        return {"report_id": new_id(), "bouncer_id": f"bnc-{number}", "environment": "production", **given}

    poison = report(9, successful_decisions=7)
    batch = [report(1), poison, report(2)]
    (tmp_path / "telemetry-spool.json").write_text(json.dumps({"batches": [batch], "open": []}))
    with FaultServer(tmp_path, in_turn(lose, service.behind)) as server:
        trusted = {"TELEMETRY_URL": server.url, "NODE_EXTRA_CA_CERTS": str(server.ca_pem_path)}
        assert finish(start(service, tmp_path, 3, **trusted)) == "counted\n" * 3 + "sent\n"
        assert server.requests[0].body == server.requests[1].body
    said_to_be_sent = {"bnc-1": (1, 1, 1), "bnc-2": (1, 1, 1), BOUNCER: (3, 3, 3)}
    assert service.counted() == said_to_be_sent, "what an earlier call has left, and what was counted since"
    (aside,) = (tmp_path / "telemetry-spool.json.refused").read_text().splitlines()
    assert json.loads(aside) == {"status": 422, **poison}


def new_id() -> str:
    return str(time_ordered_id(SystemClock().now()))
