"""What a process of the tests leaves open is seen."""

import socket
from pathlib import Path

import pytest

from tests.support.open_files import open_files


def test_a_socket_and_a_file_that_are_left_open_are_seen_until_they_are_closed(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system has no /proc to look at a process")
    before = len(open_files())
    with socket.socket(), (tmp_path / "file").open("w"):
        assert len(open_files()) == before + 2
    assert len(open_files()) == before
