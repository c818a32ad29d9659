"""Schemathesis: calls a service with what its description allows and forbids, and checks every response."""

import subprocess
import sys
from pathlib import Path

from tests.support.program import kept_environment
from tests.support.running import Running

_ROOT = Path(__file__).parents[2]


def contradictions(service: Running, token: str, seed: int, *options: str) -> tuple[int, str]:
    """Return the exit code and the report of a run with a token; the code is 0 if nothing contradicts anything."""
    program = Path(sys.executable).with_name("schemathesis")
    description = service.client.base_url.join("/api/v1/openapi.json")
    shown = ("--header", f"Authorization: Bearer {token}", "--seed", str(seed), "--no-color")
    done = subprocess.run(
        [program, "--config-file", ".ci/schemathesis.toml", "run", *shown, *options, str(description)],
        cwd=_ROOT,
        env={**kept_environment(), "PYTHONPATH": str(_ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
