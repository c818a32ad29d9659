"""No look at the state is planned for so much that PostgreSQL compiles the plan, which takes longer than the look."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event

from telemetry_service.domain.transmissions import HistoryFilter
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.consequences import count_rows_to_purge
from telemetry_service.pipeline.queries.health import count_by_state, read_health
from telemetry_service.pipeline.queries.history import list_transmissions
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.snapshot import Snapshot, open_snapshot
from tests.support.site import Site, usage

JIT_ABOVE_COST = 100_000.0
"""PostgreSQL's default for ``jit_above_cost``."""
LOOKS: dict[str, Callable[[Snapshot], object]] = {
    "configuration": read_configuration,
    "health": read_health,
    "states": count_by_state,
    "preview": build_preview,
    "history": lambda snapshot: list_transmissions(snapshot, HistoryFilter(), None, 25),
    "activity": list_activity,
    "purge": lambda snapshot: count_rows_to_purge(snapshot, 7),
}


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    """SQLite compiles no plans."""
    return postgresql_url


def costs_of(site: Site, look: Callable[[Snapshot], object]) -> dict[str, float]:
    """Return what PostgreSQL expects each statement of a look to cost, before it knows anything of the tables."""
    asked: list[tuple[str, Any]] = []
    costs: dict[str, float] = {}

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with open_snapshot(site.runtime) as snapshot:
            look(snapshot)
            event.remove(Engine, "before_cursor_execute", note)
            connection = snapshot.tx.ledger._connection  # noqa: SLF001 - to explain it where it was asked
            for statement, parameters in asked:
                plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
                costs[statement] = plan[0]["Plan"]["Total Cost"]
    finally:
        if event.contains(Engine, "before_cursor_execute", note):
            event.remove(Engine, "before_cursor_execute", note)
    return costs


@pytest.mark.parametrize("name", LOOKS)
def test_no_look_is_worth_a_compiled_plan(site: Site, name: str) -> None:
    site.report(usage(3))
    costs = costs_of(site, LOOKS[name])
    assert costs
    assert {statement: cost for statement, cost in costs.items() if cost > JIT_ABOVE_COST} == {}
