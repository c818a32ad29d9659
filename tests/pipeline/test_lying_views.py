"""Someone puts views in place of the ledger's tables, which show an older ledger only while a payload is claimed."""

# ruff: noqa: S608 - the statements of an intruder, made of names of our own

from dataclasses import replace
from uuid import UUID

import pytest

from telemetry_service.domain.ledger import Kind, digest_of
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.release import withdraw
from telemetry_service.pipeline.actions.restored import follow_head
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.ledger_key import unverified
from telemetry_service.storage.ledger import each_line
from tests.pipeline.test_rows_put_back import WHY, prepared, verified, write
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.site import Site, usage
from tests.support.tampering import ATTEMPTS, HEAD, LEDGER, LOGS

CLAIMED = (
    f"(EXISTS (SELECT 1 FROM {LOGS} WHERE claim_token IS NOT NULL)"
    f" AND NOT EXISTS (SELECT 1 FROM {ATTEMPTS} WHERE finished_at IS NULL))"
)
"""Between the claim of a payload and the entry about its attempt, when it is decided whether the payload may leave."""
_LINE = "seq, line, kind, at, actor, transmission_id"
_INSERT = f"INSERT INTO real_ledger ({_LINE}) VALUES ({', '.join(f'NEW.{name}' for name in _LINE.split(', '))})"
_MOVE = "UPDATE real_head SET seq = NEW.seq, sha256 = NEW.sha256, at = NEW.at, key_id = NEW.key_id"


def let_the_ledger_end(site: Site, seq: int, sha256: str) -> None:
    """Put the views in place: while a payload is claimed, the ledger ends with an entry."""
    write(
        site,
        f"ALTER TABLE {LEDGER} RENAME TO real_ledger",
        f"ALTER TABLE {HEAD} RENAME TO real_head",
        f"CREATE VIEW {LEDGER} AS SELECT * FROM real_ledger WHERE seq <= {seq} OR NOT {CLAIMED}",
        f"CREATE VIEW {HEAD} AS SELECT id, CASE WHEN {CLAIMED} THEN {seq} ELSE seq END AS seq, CAST(CASE WHEN {CLAIMED}"
        f" THEN '{sha256}' ELSE sha256 END AS varchar(64)) AS sha256, at, key_id, checkpoint FROM real_head",
    )
    if site.replica.database_url.startswith("sqlite"):
        write(
            site,
            f"CREATE TRIGGER new_line INSTEAD OF INSERT ON {LEDGER} BEGIN {_INSERT}; END",
            f"CREATE TRIGGER new_head INSTEAD OF UPDATE ON {HEAD} BEGIN {_MOVE}; END",
        )
        return
    write(
        site,
        f"CREATE FUNCTION move_head() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {_MOVE}; RETURN NEW; END'",
        f"CREATE TRIGGER new_head INSTEAD OF UPDATE ON {HEAD} FOR EACH ROW EXECUTE FUNCTION move_head()",
    )


def state_of(site: Site, transmission_id: UUID) -> State:
    return read_now(site.runtime, read_transmission, transmission_id).transmission.state


@ON_BOTH
def test_a_withdrawn_payload_is_not_sent_although_each_read_is_answered_as_someone_likes(site: Site) -> None:
    withdrawn = prepared(site)
    with site.runtime.database.read() as tx:
        before = tx.ledger.head()
    withdraw(site.runtime, withdrawn, ADMIN, WHY)
    verified(site)
    let_the_ledger_end(site, before.seq, before.sha256)
    write(site, f"UPDATE {LOGS} SET state = 'pending', withdrawn_at = NULL, next_attempt_at = created_at")
    for _ in range(3):
        site.clock.advance(minutes=1)
        follow_head(site.runtime)
        wake(site.runtime)
        sweep(site.runtime)
    assert site.server.journal() == ()
    write(site, f"UPDATE {LOGS} SET state = 'withdrawn', withdrawn_at = created_at, next_attempt_at = NULL")
    site.report(usage())
    site.tick()
    assert len(site.server.journal()) == 0, "the views are there for every payload"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_digest_of_the_ledger_that_is_sent_is_that_of_its_last_entry_whatever_the_row_of_the_head_says(
    site: Site,
) -> None:
    """On SQLite, a view does not know which query it is for."""
    site.runtime = site.open(replica=replace(site.replica, public_key=site.server.public_key))
    waiting = prepared(site)
    asked_alone = "current_query() LIKE 'SELECT ledger_head.seq, ledger_head.sha256 _FROM ledger_head'"
    write(
        site,
        f"ALTER TABLE {HEAD} RENAME TO real_head",
        f"CREATE VIEW {HEAD} AS SELECT id, seq, CAST(CASE WHEN {asked_alone} AND {CLAIMED} THEN 'leaks'"
        " ELSE sha256 END AS varchar(64)) AS sha256, at, key_id, checkpoint FROM real_head",
        f"CREATE FUNCTION move_head() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {_MOVE}; RETURN NEW; END'",
        f"CREATE TRIGGER new_head INSTEAD OF UPDATE ON {HEAD} FOR EACH ROW EXECUTE FUNCTION move_head()",
    )
    verified(site)
    wake(site.runtime)
    with site.runtime.database.read() as tx:
        lines = tx.ledger.of_transmission(waiting)
        sent = next(unverified(line.line)["ledger"] for line in lines if line.kind == Kind.ATTEMPT)
        assert sent in {digest_of(line.line) for line in each_line(tx.ledger)}
