"""A look costs only new rows: each statement goes through the documented index, and reads no more than a step."""

from telemetry_service.domain.source import Cursor, Snapshot, Span
from telemetry_service.source import statements
from telemetry_service.source.database import SourceDatabase
from telemetry_service.source.dialect import Dialect, Parameters
from telemetry_service.source.postgresql import POSTGRESQL
from telemetry_service.source.sqlite import SQLITE
from tests.support.source import NOON, AuditTable
from tests.support.source_fixtures import ON_BOTH_SOURCES

ROWS = 20_000
_SERIES = {
    "postgresql": "INSERT INTO audit_log (created_at, stage) SELECT now(), 'live' FROM generate_series(1, {}) AS n",
    "sqlite": (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {})"
        " INSERT INTO audit_log (created_at, stage) SELECT '2026-11-20', 'live' FROM s"
    ),
}
_DIALECTS = {"postgresql": POSTGRESQL, "sqlite": SQLITE}


def plan(source: SourceDatabase, dialect: Dialect, cursor: Cursor, span: Span | None) -> str:
    """Return how the database runs a step."""
    rows, given = statements.rows_behind(dialect, cursor, span)
    return plan_of(source, dialect, statements.grouped(dialect, rows), {**given, "rows": 1_000})


def plan_of(source: SourceDatabase, dialect: Dialect, statement: str, given: Parameters) -> str:
    """Return how the database runs a statement."""
    explain = "EXPLAIN" if dialect is POSTGRESQL else "EXPLAIN QUERY PLAN"
    with source.look() as look:
        lines = look._read(f"{explain} {statement}", **given)  # noqa: SLF001
    return "\n".join(str(line[-1]) for line in lines)


@ON_BOTH_SOURCES
def test_a_step_reads_the_rows_of_its_index_in_order(audit: AuditTable) -> None:
    audit.run(_SERIES[audit.kind].format(ROWS))
    source, dialect = SourceDatabase(audit.reader_url), _DIALECTS[audit.kind]
    if audit.kind == "postgresql":
        audit.run_alone("VACUUM ANALYZE audit_log")
        expected, unwanted = "Index Scan using audit_log_position on audit_log", "Seq Scan"
        used = "using audit_log_position on audit_log"
    else:
        expected, unwanted = "SEARCH audit_log USING INTEGER PRIMARY KEY (rowid>?", "SCAN audit_log"
        used = "SEARCH audit_log USING INTEGER PRIMARY KEY"
    with source.look() as look:
        middle = Cursor(look.horizon().below // 2, "7" if audit.kind == "postgresql" else None)
    for cursor in (Cursor(0), middle):
        for span in (None, Span(2**40, NOON, None), Span(2**40, NOON, None, Snapshot(9, 2**40 + 1, (10,)))):
            found = plan(source, dialect, cursor, span)
            assert expected in found, found
            assert unwanted not in found, found
        at = statements.at(dialect, cursor.position, cursor.row_key or "7")
        for statement, given in (statements.newest(dialect, cursor), at):
            found = plan_of(source, dialect, statement, given)
            assert used in found, found
            assert unwanted not in found, found
    source.close()
