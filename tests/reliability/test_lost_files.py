"""The database's file deleted, replaced, restored from a backup or copied, while services run (SQLite)."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from telemetry_service.domain.errors import StorageNotOpenedError
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.backup import copy_online
from tests.support.actors import ADMIN
from tests.support.license_server import Trouble, reply
from tests.support.reckoning import Amount, codes_of, reckon, undelivered
from tests.support.site import Replica, Site, usage

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def file_of(site: Site) -> Path:
    return Path(site.replica.database_url.removeprefix("sqlite:///"))


def back_up(site: Site, target: Path) -> Path:
    """Back a running database up, as the command does."""
    target.touch()
    copy_online(site.replica.database_url, target)
    return target


def restore(site: Site, backup: Path) -> None:
    """Put a backup in the place of the database, under the running service."""
    file = file_of(site)
    backup.replace(file)
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)


def test_nothing_is_acknowledged_into_a_file_that_was_deleted_and_none_is_made_in_its_place(
    site: Site, tmp_path: Path
) -> None:
    file, report = file_of(site), usage(7, 3, 2)
    aside = file.rename(tmp_path / "aside.db")
    for act in (lambda: site.report(report), lambda: wake(site.runtime), site.runtime.database.check):
        with pytest.raises(StorageNotOpenedError):
            act()
    assert not file.exists()
    aside.rename(file)
    assert site.report(report).accepted == 1
    assert reckon(site.replica.database_url, ()).open == Amount(7, 3, 2)


def test_what_is_reported_after_the_file_was_replaced_is_in_the_new_one(site: Site, tmp_path: Path) -> None:
    site.report(usage(100))
    backup = back_up(site, tmp_path / "backup.db")
    site.report(usage(1_000))
    restore(site, backup)
    site.report(usage(7))
    assert reckon(site.replica.database_url, ()).open.events == 107


def test_what_an_older_backup_holds_is_sent_again_under_its_id_and_counted_once(site: Site, tmp_path: Path) -> None:
    site.redeem("EXT-30D-7Q2M")
    site.report(usage(7, 3, 2))
    site.server.trouble(Trouble(before=reply(503)))
    send_now(site.runtime, ADMIN, None)
    backup = back_up(site, tmp_path / "backup.db")
    site.server.trouble()
    site.tick()
    assert len(site.server.journal()) == 2
    restore(site, backup)
    site.clock.advance(hours=7)
    wake(site.runtime)
    first, _heartbeat, *_ = site.server.journal()
    assert (first.times_received, first.conflicts) == (2, 0)
    assert codes_of(site.server.journal()) == ["EXT-30D-7Q2M"]
    engine = create_engine(site.replica.database_url)
    with engine.connect() as connection:
        assert undelivered(connection) == (0, 0)
    engine.dispose()


def test_two_installations_with_one_copied_database_are_counted_once_for_what_waited_then(
    site: Site, tmp_path: Path
) -> None:
    site.report(usage(7, 3, 2))
    site.server.trouble(Trouble(before=reply(503)))
    send_now(site.runtime, ADMIN, None)
    copied = Replica(f"sqlite:///{back_up(site, tmp_path / 'copy.db')}", site.replica.base_url, site.replica.ca_file)
    copy = site.open(replica=copied)
    site.server.trouble()
    site.clock.advance(hours=7)
    assert wake(site.runtime).attempts == wake(copy).attempts == 1
    (entry,) = site.server.journal()
    assert (entry.times_received, entry.conflicts) == (2, 0)
