"""What a command holds in memory and environment stays in the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import kept_environment

_LOOK = """
import resource, sys
from telemetry_service.cli import main
sys.argv[1:] = ["generate-key"]
try:
    main()
finally:
    import ctypes
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_every_command_writes_no_core_dump_and_is_closed_to_others(tmp_path: Path) -> None:
    # 3 is PR_GET_DUMPABLE. The command is the smallest one: what protects it runs before any of them.
    ended = subprocess.run(
        [sys.executable, "-c", _LOOK], cwd=tmp_path, env=kept_environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "(0, 0) 0"
