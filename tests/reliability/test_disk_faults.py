"""A full disk and a failing one: at the first write, at the second, and so on until a run meets none (SQLite's method).

A real process records, ticks and sends while one of its system calls fails. What it cannot do it refuses, with a code
of ours, and does it once the disk is well again; the equation holds whatever failed.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import StorageFullError, StorageUnavailableError
from telemetry_service.domain.transmissions import LEASE
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.migrate import migrate
from telemetry_service.storage.sqlite_library import KEEPS_LOG
from tests.support.actors import ADMIN
from tests.support.child import Deed, Orders, await_file, exit_code, launch
from tests.support.license_server import LicenseServer
from tests.support.programs import permitted, require
from tests.support.reckoning import Amount, reckon
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica, Site, usage
from tests.support.strace import STRACE, can_inject, failing, injected

needs_strace = pytest.mark.usefixtures("strace")
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FAULTS = [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync,fsync", "EIO")]
if not KEEPS_LOG:
    FAULTS.append(("ftruncate", "EIO"))  # Ends a transaction where SQLite keeps a rollback journal.
DEEDS = [Deed.RECORD, Deed.WAKE]


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip where no system call can be made to fail."""
    require(STRACE, "strace, which lets system calls fail, is not installed")
    permitted(can_inject(), "strace may not look into other processes here")


def which_ones() -> Iterator[int]:
    """Count 1, 2, 3 …; in a quick run with steps that grow, so that each of its parts is met."""
    number = 1.0
    while number < 400:
        yield int(number)
        thorough = settings().max_examples >= 1_000
        number += 1 if thorough else max(1, number / 4)


def ordeal(site: Site, tmp_path: Path, call: str, error: str, when: str) -> tuple[bool, int]:
    """Let one process do its deeds with a failing call; return whether one failed, and the exit code."""
    folder = tmp_path / f"{call}-{error}-{when}"
    folder.mkdir()
    reports = [usage(3, 2, 1), usage(4, 2, 1)]
    before = reckon(site.replica.database_url, site.server.journal()).total
    child = launch(Orders(site.replica, tmp_path / "clock", DEEDS, reports, folder=folder))
    await_file(folder / "ready")
    site.clock.set(site.next_run_at())
    with failing(child.pid or 0, call, error, when, folder / "log"):
        (folder / "go").touch()
        code = exit_code(child)
    site.report(*reports)
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    engine.dispose()
    site.clock.advance(hours=7)
    wake(site.runtime)
    after = reckon(site.replica.database_url, site.server.journal())
    assert after.total == before.plus(Amount(7, 4, 2)), (call, error, when)
    assert after.waiting == Amount()
    assert all(entry.conflicts == 0 for entry in site.server.journal())
    return injected(folder / "log"), code


@needs_strace
@only_sqlite
@pytest.mark.parametrize(("call", "error"), FAULTS)
def test_whichever_write_fails_is_refused_and_succeeds_when_it_is_tried_again(
    site: Site, tmp_path: Path, call: str, error: str
) -> None:
    failed, number = True, 0
    for number in which_ones():
        failed, code = ordeal(site, tmp_path, call, error, str(number))
        assert code == 0, "the same process has recovered"
        if not failed:
            break
    assert not failed, "at last there was no such call to fail"
    assert number > 3, "a run makes some writes"


@needs_strace
@only_sqlite
@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_a_disk_that_stays_full_stops_the_work_and_loses_nothing(site: Site, tmp_path: Path, number: int) -> None:
    failed, code = ordeal(site, tmp_path, "pwrite64", "ENOSPC", f"{number}+")
    assert failed
    assert code != 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two mebibytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "telemetry-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - the system's own


def fill(filler: Path) -> None:
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_is_named_nothing_is_acknowledged_and_all_goes_on_once_there_is_room(
    small_disk: Path, clock: SharedClock, server: LicenseServer
) -> None:
    url = f"sqlite:///{small_disk / 'telemetry.db'}"
    migrate(url)
    site = Site(Replica(url, server.server.url, server.server.ca_pem_path), clock, server)
    filler = small_disk / "filler"
    fill(filler)
    reports = [usage(1) for _ in range(3_000)]
    with pytest.raises(StorageFullError):
        site.report(*reports)
    with pytest.raises(StorageUnavailableError):
        send_now(site.runtime, ADMIN, None)
    filler.unlink()
    assert site.report(*reports).duplicates == 0
    assert site.tick().attempts == 1
    assert reckon(url, server.journal()).total.events == 3_000
    site.close()


def test_a_disk_that_is_full_when_the_license_server_has_just_accepted_makes_a_duplicate_and_no_second_count(
    small_disk: Path, clock: SharedClock, server: LicenseServer
) -> None:
    url = f"sqlite:///{small_disk / 'telemetry.db'}"
    migrate(url)
    site = Site(Replica(url, server.server.url, server.server.ca_pem_path), clock, server)
    site.report(usage(7, 3, 2))
    filler = small_disk / "filler"
    sender = site.open(lambda failpoint: fill(filler) if failpoint is Failpoint.SENT else None)
    with pytest.raises(StorageFullError):
        send_now(sender, ADMIN, None)
    assert [entry.times_received for entry in server.journal()] == [1]
    filler.unlink()
    site.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert wake(site.runtime).attempts == 1
    assert [(entry.times_received, entry.conflicts) for entry in server.journal()] == [(2, 0)]
    assert reckon(url, server.journal()).total == Amount(7, 3, 2)
    site.close()
