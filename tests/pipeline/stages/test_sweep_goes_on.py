"""Nothing that someone writes, and no pause of a process, keeps the sweep from verifying the rest."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from collections.abc import Callable
from dataclasses import replace
from threading import Event

from sqlalchemy import create_engine, text

from telemetry_service.domain.facts import LicensePosture
from telemetry_service.domain.ledger import digest_of
from telemetry_service.domain.payload import Tier
from telemetry_service.domain.transmissions import State
from telemetry_service.domain.verification import MOST_PROBLEMS, Verification
from telemetry_service.pipeline.actions.report_facts import report_license
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.sweep import sweep, verify_everything
from telemetry_service.pipeline.verification import stored_verification
from tests.pipeline.test_rows_put_back import verified, write
from tests.support.actors import ADMIN, OPS
from tests.support.site import Site, usage
from tests.support.tampering import HEAD, LEDGER

_COPY = f"INSERT INTO {LEDGER} (seq, line, kind, at, actor) SELECT :seq, :line, kind, at, actor FROM {LEDGER}"


class _PausedOnce(Event):
    """Lets others go on when a verification has read all entries, before it looks at the rows."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile, self._asked = meanwhile, 0

    def is_set(self) -> bool:
        self._asked += 1
        if self._asked == 3:
            self._meanwhile()
        return super().is_set()


def verdict(runtime: Runtime) -> Verification:
    with runtime.database.read() as tx:
        found = stored_verification(runtime, tx)
    assert found is not None
    return found


def add_wrong_lines(site: Site, many: int) -> None:
    """Add lines that nobody signed, with a head that names the last one."""
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        last = connection.execute(text(f"SELECT max(seq) FROM {LEDGER}")).scalar_one()
        rows = [{"seq": last + number, "line": f"x{number}"} for number in range(1, many + 1)]
        connection.execute(text(f"{_COPY} WHERE seq = 1"), rows)
        head = {"seq": last + many, "sha256": digest_of(f"x{many}")}
        connection.execute(text(f"UPDATE {HEAD} SET seq = :seq, sha256 = :sha256"), head)
    engine.dispose()


def test_thousands_of_wrong_lines_stop_nothing_for_good(site: Site) -> None:
    site.report(usage())
    site.tick()
    verified(site)
    add_wrong_lines(site, 3 * MOST_PROBLEMS)
    for _ in range(2):
        site.clock.advance(minutes=1)
        sweep(site.runtime)
    assert len(verdict(site.runtime).problems) == MOST_PROBLEMS, "they are reported"
    site.report(usage())
    assert send_now(site.runtime, ADMIN, None).transmission.state is State.SUCCESS


def test_neither_an_entry_nor_a_problem_at_each_waking_keeps_a_change_from_being_found(site: Site) -> None:
    for wrong in (None, f"UPDATE {LEDGER} SET actor = 'mallory' WHERE seq = (SELECT max(seq) FROM {LEDGER})"):
        verified(site)
        write(site, f"UPDATE {LEDGER} SET actor = 'mallory' WHERE seq = 1")
        for number in range(5):
            site.clock.advance(seconds=5)
            report_license(site.runtime, LicensePosture(tier=(Tier.ENTERPRISE, Tier.STARTER)[number % 2]), OPS)
            write(site, *([wrong] if wrong else []))
            sweep(site.runtime)
        assert ("index_changed", 1) in {(problem.code, problem.seq) for problem in verdict(site.runtime).problems}
        write(site, f"UPDATE {LEDGER} SET actor = 'service' WHERE seq = 1")


def test_a_verification_that_was_paused_forgets_nothing_that_another_one_has_seen(site: Site) -> None:
    verified(site)
    other, seen = site.open(), list[Verification]()

    def meanwhile() -> None:
        site.configure(retention_days=90)
        report_license(other, LicensePosture(tier=Tier.STARTER), OPS)
        sweep(other)
        seen.append(verdict(other))

    site.clock.advance(minutes=1)
    found = verify_everything(replace(site.runtime, stopping=_PausedOnce(meanwhile)))
    assert found == verdict(site.runtime)
    assert (found.seq, found.sha256, found.stamps) == (seen[0].seq, seen[0].sha256, seen[0].stamps)
    assert found.complete_at > seen[0].complete_at
