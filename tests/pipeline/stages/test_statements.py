"""A group of calls is written by the same few statements, whatever its size.

The driver waits for its turn with each row of a statement that is executed for many.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, event

from telemetry_service.domain.facts import UsageReport
from telemetry_service.pipeline.stages.record import record
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage

BOUNCERS = 7


def reports(count: int) -> list[UsageReport]:
    return [usage(1, bouncer=f"bouncer-{number % BOUNCERS}") for number in range(count)]


@contextmanager
def executed() -> Iterator[list[tuple[str, bool]]]:
    """Collect the beginning of each statement that is executed, and whether it is executed for many rows."""
    found: list[tuple[str, bool]] = []

    def note(
        _connection: object, _cursor: object, statement: str, _given: object, _context: object, many: object
    ) -> None:
        if not statement.startswith("PRAGMA"):  # The wait for a lock, in whole milliseconds.
            found.append((statement[:40], bool(many)))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@ON_BOTH
def test_a_thousand_reports_take_the_same_statements_as_one_even_if_some_are_known(site: Site) -> None:
    again = reports(BOUNCERS)
    site.report(*again)
    for known in ([], again):
        with executed() as for_few:
            record(site.runtime, [[*reports(1), *known]])
        with executed() as for_many:
            record(site.runtime, [[*reports(1_000), *known], reports(1_000)])
        assert for_many == for_few
        assert not any(many for _, many in for_few)
