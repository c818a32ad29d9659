"""The License Server as a process: what is acknowledged survives it, and it leaves nothing behind."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_service.reference.background import ReferenceProcess, ReferenceStartError
from telemetry_service.reference.journal import read_journal
from tests.reference.conftest import options_in
from tests.reference.sender import API_KEY, Draft, Line, canonical, payload


def test_what_was_acknowledged_is_on_disk_when_the_server_is_killed(mortal: Line) -> None:
    drafts = [Draft(canonical(payload())) for _ in range(5)]
    for draft in drafts:
        assert mortal.send(draft.signed()).status_code == 200
    mortal.server.kill()
    journal = read_journal(mortal.server.options.store)
    assert [(entry.transmission_id, entry.payload) for entry in journal] == [
        (draft.transmission_id, draft.body) for draft in drafts
    ]


def test_a_server_that_starts_again_keeps_its_address_its_key_and_its_ids(mortal: Line) -> None:
    draft = Draft(canonical(payload()))
    url, public_key = mortal.server.url, mortal.server.public_key
    first = mortal.send(draft.signed()).json()
    mortal.server.kill()
    mortal.server.start()
    assert (mortal.server.url, mortal.server.public_key) == (url, public_key)
    assert mortal.send(draft.signed()).json() == first | {"status": "duplicate"}


def test_files_with_secrets_are_for_their_owner_alone(mortal: Line) -> None:
    options = mortal.server.options
    for path in (options.store, options.signing_key_file, options.key_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_stands_in_the_command_line_or_in_a_representation(tmp_path: Path) -> None:
    options = options_in(tmp_path)
    assert options.control_token is not None
    with ReferenceProcess(options) as server:
        assert server._process is not None  # noqa: SLF001 - its id is nobody else's business
        command = Path(f"/proc/{server._process.pid}/cmdline").read_bytes()  # noqa: SLF001
        environment = Path(f"/proc/{server._process.pid}/environ").read_bytes()  # noqa: SLF001
    for secret in (API_KEY, options.control_token):
        assert secret.encode() not in command + environment
        assert secret not in repr(options)


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "telemetry_service.reference"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(options_in(tmp_path).model_dump_json().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"url": "https://127.0.0.1:')
        # A pipe whose writer is gone, by whatever death, is a pipe that ends.
        process.stdin.close()
        process.wait(timeout=30)


def test_a_server_stops_in_good_order_at_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "telemetry_service.reference"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(options_in(tmp_path).model_dump_json().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_server_that_cannot_start_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = options_in(tmp_path)
    options.certificate_file.unlink()
    server = ReferenceProcess(options)
    with pytest.raises(ReferenceStartError):
        server.start()
    assert API_KEY not in capfd.readouterr().err


def test_an_address_that_is_taken_is_a_failure_to_start(mortal: Line, tmp_path: Path) -> None:
    other = tmp_path / "other"
    options = options_in(other).model_copy(update={"port": mortal.server.options.port})
    with pytest.raises(ReferenceStartError):
        ReferenceProcess(options).start()


def test_stopping_twice_and_starting_twice_do_no_harm(tmp_path: Path) -> None:
    server = ReferenceProcess(options_in(tmp_path))
    server.stop()
    with server:
        url = server.url
        server.start()
        assert server.url == url
    server.stop()


def test_the_journal_of_a_file_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "no-store").write_bytes(os.urandom(4096))
    for name in ("no-store", "missing"):
        with pytest.raises(sqlite3.Error):
            read_journal(tmp_path / name)
    assert not (tmp_path / "missing").exists()
