"""The documented SQL makes views that are accepted; every other form is refused with its view and column."""

from contextlib import suppress
from pathlib import Path

import pytest

from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.source import VIEWS
from telemetry_service.domain.source_errors import SourcePositionsError, SourceSchemaError
from telemetry_service.source.database import Look, SourceDatabase
from tests.support.running import Running
from tests.support.source import AuditTable, documented, other, raw_events
from tests.support.source_fixtures import ON_BOTH_SOURCES

_ROW = "INSERT INTO audit_log (created_at) VALUES (1);"
_BROKEN = """
CREATE TABLE t (x);
DROP VIEW telemetry_source_bouncers;
CREATE VIEW telemetry_source_bouncers AS SELECT x FROM t;
DROP TABLE t;
"""
EVENTS = "telemetry_source_events"
DROP_CODES = "DROP VIEW telemetry_source_extension_codes;"
CODES = "CREATE {} telemetry_source_extension_codes AS SELECT {} FROM extension_codes;"


def problems(audit: AuditTable) -> tuple[str, ...]:
    """Return how the views of a source are refused."""
    source = SourceDatabase(audit.reader_url)
    try:
        with source.look() as look:
            look.require_contract()
    except SourceSchemaError as error:
        return error.problems
    finally:
        source.close()
    return ()


@ON_BOTH_SOURCES
def test_the_documented_views_are_accepted_and_show_no_content(audit: AuditTable) -> None:
    assert problems(audit) == ()
    audit.write(other())
    audit.run("UPDATE audit_log SET resource = 'canary'")
    source = SourceDatabase(audit.reader_url)
    with source.look() as look:
        shown = [look._read(f"SELECT * FROM {view}") for view in VIEWS]  # noqa: SLF001, S608 - all that a reader can see
    source.close()
    assert "canary" not in str(shown)
    assert "alice" not in str(shown)


@ON_BOTH_SOURCES
def test_every_other_form_is_refused_with_view_and_column(audit: AuditTable) -> None:
    cases: list[tuple[str, str]] = [
        (
            raw_events(audit).replace("FROM audit_log", ", actor FROM audit_log"),
            f"{EVENTS} has a column that is not documented: actor.",
        ),
        (raw_events(audit).replace("created_at AS occurred_at,", ""), f"{EVENTS} has no column occurred_at."),
        (DROP_CODES, "There is no view telemetry_source_extension_codes."),
        (CODES.format("TABLE", "code AS code_id, redeemed_at"), "There is no view telemetry_source_extension_codes."),
    ]
    if audit.kind == "postgresql":
        cases += [
            (
                "DROP TABLE telemetry_source_extension_codes;"
                + CODES.format("MATERIALIZED VIEW", "code AS code_id, redeemed_at"),
                "There is no view telemetry_source_extension_codes.",
            ),
            (raw_events(audit, position="id"), f"{EVENTS}.position has the type bigint. It must be xid8"),
            (
                raw_events(audit, row_key="outcome"),
                f"{EVENTS}.row_key has the type text. It must be an integer or a UUID",
            ),
            (raw_events(audit, successful="outcome"), f"{EVENTS}.successful has the type text. It must be boolean"),
            (
                raw_events(audit, bouncer_id="id"),
                f"{EVENTS}.bouncer_id has the type bigint. Cast it in the view: ::text",
            ),
            (
                raw_events(audit).replace("created_at AS", "created_at::timestamp AS"),
                f"{EVENTS}.occurred_at has the type timestamp without time zone. It must be timestamp with time zone",
            ),
        ]
    else:
        cases += [
            ("DROP TABLE telemetry_source_extension_codes;" + CODES.format("VIEW", "code AS code_id, redeemed_at"), ""),
            (
                raw_events(audit, position="outcome"),
                f"{EVENTS}.position has the type text. It must be an INTEGER PRIMARY",
            ),
            (
                _ROW + raw_events(audit, position="id + 70"),
                f"{EVENTS}.position is not the key",
            ),
            (
                _BROKEN,
                "The query of telemetry_source_bouncers fails.",
            ),
        ]
    for script, sentence in cases:
        audit.run(script)
        assert any(problem.startswith(sentence) for problem in problems(audit)) or not sentence, script


def test_a_plain_rowid_is_no_position(tmp_path: Path) -> None:
    plain = AuditTable("sqlite", str(tmp_path / "plain.db"), f"sqlite:///{tmp_path / 'plain.db'}")
    plain.run("CREATE TABLE audit_log (id INTEGER PRIMARY KEY, created_at, enforcement_point, stage, action, outcome);")
    plain.run("CREATE TABLE enforcement_points (name, stage, pair); CREATE TABLE extension_codes (code, redeemed_at);")
    plain.run(documented("sqlite", "views"))
    assert problems(plain) == (f"{EVENTS}.position is no AUTOINCREMENT key: no table of the source has one.",)


@pytest.mark.parametrize("audit", ["postgresql"], indirect=True)
def test_the_rows_of_a_moved_database_get_new_positions_as_documented(audit: AuditTable) -> None:
    audit.run("INSERT INTO audit_log (created_at, xid) VALUES (now(), '999999999')")
    source = SourceDatabase(audit.reader_url)
    with pytest.raises(SourcePositionsError), source.look() as look:
        look.horizon()
    audit.run(documented("postgresql", "moved"))
    with source.look() as look:
        assert look.horizon().below <= look.horizon().newest
        assert _warnings(look) == ()
    source.close()
    owner = SourceDatabase(audit.owner_url)
    with owner.look() as look:
        assert _warnings(look) == ("The role of the source is a superuser. Use a role that may only read the views.",)
    owner.close()


def _warnings(look: Look) -> tuple[str, ...]:
    return look.warnings()


@ON_BOTH_SOURCES
def test_the_source_is_never_written_to(audit: AuditTable) -> None:
    source = SourceDatabase(audit.owner_url if audit.kind == "postgresql" else audit.reader_url)
    for statement in ("DELETE FROM audit_log", "CREATE TABLE mine (x integer)"):
        with suppress(Exception), source.look() as look:
            look._read(statement)  # noqa: SLF001 - no method of it writes
            pytest.fail(statement)
    source.close()


def test_wrong_views_stop_the_start_and_a_source_that_is_away_does_not(
    sqlite_url: str, audit: AuditTable, tmp_path: Path
) -> None:
    audit.run(DROP_CODES)
    with (
        pytest.raises(SettingsError) as refused,
        Running(sqlite_url, {"TELEMETRY_SOURCE_DATABASE_URL": audit.reader_url}),
    ):
        pytest.fail("it started")
    assert refused.value.text == ("TELEMETRY_SOURCE_DATABASE_URL: There is no view telemetry_source_extension_codes.")
    away = f"sqlite:///{tmp_path / 'away.db'}"
    with Running(sqlite_url, {"TELEMETRY_SOURCE_DATABASE_URL": away}) as running:
        assert running.client.get("/healthz").status_code == 200
    assert not (tmp_path / "away.db").exists()
