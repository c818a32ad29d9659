"""``telemetry-service source``, as an administrator uses it."""

import os
import pty
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile

import pytest

from telemetry_service.cli.commands.source import _with_bar
from telemetry_service.domain.ledger import Kind
from telemetry_service.pipeline.actions.catch_up import catch_up, plan_catch_up
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.storage.database import Database
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN
from tests.support.ledger import entries
from tests.support.source import AuditTable, other, sqlite_audit_table


@pytest.fixture
def audit(cli: CommandLine, tmp_path: Path) -> AuditTable:
    """The audit table that the settings name, read by a service since one row was written."""
    table = sqlite_audit_table(tmp_path)
    cli.set(TELEMETRY_SOURCE_DATABASE_URL=table.reader_url)
    table.write(other())
    read(cli)
    return table


def read(cli: CommandLine) -> None:
    """Let a service read what is there."""
    service = cli.service()
    read_up_to_now(service.runtime)
    service.runtime.close()


def acts(cli: CommandLine) -> list[object]:
    """Return what the ledger says of the source."""
    database = Database(cli.environment["TELEMETRY_DATABASE_URL"])
    found = [entry.details["act"] for entry in entries(database) if entry.kind is Kind.SOURCE]
    database.close()
    return found


def test_a_catch_up_shows_its_progress_on_a_terminal(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sqlite_audit_table(tmp_path)
    cli.set(TELEMETRY_SOURCE_DATABASE_URL=table.reader_url)
    table.write(*[other()] * 40)
    read(cli)
    service = cli.service()
    service.runtime.source_reading.share = 1_000  # A step reads 10 rows.
    plan = plan_catch_up(service.runtime, datetime(2026, 1, 1, tzinfo=UTC))
    screen, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as shown:
        monkeypatch.setattr(sys, "stderr", shown)
        assert _with_bar(catch_up(service.runtime, plan, ADMIN)).counted == 40
        shown.flush()
        said = os.read(screen, 65_536).decode()
    os.close(screen)
    service.runtime.close()
    assert [share for share in ("25%", "50%", "75%", "100%") if share in said] == ["25%", "50%", "75%", "100%"], said


def test_check_says_how_far_the_source_was_read_and_changes_nothing(cli: CommandLine, audit: AuditTable) -> None:
    audit.write(other())
    for _ in range(2):
        ended = cli("source", "check")
        assert ended.code == 0
        assert ended.out.startswith("The views are as documented and may be read.\n0 rows counted from the source")
    read(cli)
    assert cli("source", "check", "--json").json()["rows"] == 1
    assert ["ok", "source", "1"] in [line.split()[:3] for line in cli("doctor", "--offline").out.splitlines()]
    Path(audit.owner_url).rename(f"{audit.owner_url}.away")
    ended = cli("source", "check")
    assert (ended.code, ended.out.splitlines()[0]) == (4, "The source cannot be read.")
    assert ended.err.endswith("(source-away)\n")


def test_check_says_why_reading_is_stopped_until_it_goes_on(
    cli: CommandLine, audit: AuditTable, tmp_path: Path
) -> None:
    def stopped() -> tuple[int, str]:
        ended = cli("source", "check")
        assert ended.out.startswith("The source cannot be read.\n"), ended.out
        return ended.code, ended.err

    audit.write(other(), other(""))
    read(cli)
    code, said = stopped()
    assert code == 4
    assert "telemetry_source_events.bouncer_id is not valid in the row with position 3," in said
    assert said.endswith("Reading then continues automatically. (source-row-refused)\n")
    assert "source-row-refused" in cli("doctor", "--offline").out
    audit.run("DELETE FROM audit_log WHERE id = 3")
    read(cli)
    assert cli("source", "check").code == 0, "it has read on"
    right = Path(copyfile(audit.owner_url, tmp_path / "right"))
    audit.run("DELETE FROM audit_log; UPDATE sqlite_sequence SET seq = 1")
    read(cli)
    assert stopped()[0] == 6
    right.replace(audit.owner_url)
    code, said = stopped()
    assert (code, said.endswith("(source-restored)\n")) == (6, True), "a person decides, although the file is back"
    assert "telemetry-service source reset --from now" in said
    assert cli("source", "reset", "--from", "cursor", "--yes").code == 0
    assert cli("source", "check").code == 0


def test_older_rows_are_announced_confirmed_and_counted_with_a_bar(cli: CommandLine, audit: AuditTable) -> None:
    audit.write(other())  # Not an older one.
    assert cli("source", "catch-up", "--from", "2026-11-01").err.endswith("Use --yes.\n")
    ended = cli("source", "catch-up", "--from", "2026-11-01", "--yes")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "1 row occurred since 1 Nov 2026, before the source was first read.",
        "They will count in the current period. 1 row will be looked at.",
        "1 row counted in the current period.",
    ]
    assert "Catching up" in ended.err
    assert acts(cli) == ["begun", "catch_up_begun", "catch_up_ended"]
    again = cli("source", "catch-up", "--from", "2026-11-01", "--yes")
    assert (again.code, again.err) == (
        1,
        "Everything since 2026-11-01T00:00:00.000Z was caught up on already. (catch-up-refused)\n",
    )


def test_a_reset_says_what_it_does_before_it_does_it(cli: CommandLine, audit: AuditTable) -> None:
    audit.run("DELETE FROM audit_log; UPDATE sqlite_sequence SET seq = 0")
    assert cli("source", "check").code == 6
    assert cli("source", "reset", "--from", "yesterday", "--yes").code == 2
    ended = cli("source", "reset", "--from", "now", "--yes")
    assert ended.out.splitlines() == [
        "The cursor moves from position 2 to 0.",
        "0 rows that are there now will be counted, even if they were counted before.",
        "Reading continues at position 0.",
    ]
    assert acts(cli) == ["begun", "reset"]
    assert cli("source", "check").code == 0
    assert cli("source", "reset", "--from", "cursor", "--yes").out.splitlines() == [
        "The cursor moves from position 0 to 0.",
        "0 rows that are there now will be counted, even if they were counted before.",
        "Reading continues at position 0.",
    ]
