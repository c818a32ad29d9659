"""What one person did is found by the number of one of their entries, although no index names a person."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from telemetry_service.domain.actor import Actor, ActorKind
from telemetry_service.domain.ledger import Kind, LedgerFilter, Nobody, salted_digests
from telemetry_service.pipeline.actions.export_entries import export_entries
from telemetry_service.pipeline.queries.activity import ActivityPage, page_activity
from telemetry_service.pipeline.queries.ledger import list_entries
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing.ledger_key import unverified
from tests.pipeline.test_rows_put_back import write
from tests.support.actors import ADMIN, OPS, VIEWER
from tests.support.databases import ON_BOTH
from tests.support.site import Site

VERA = VIEWER.actor("192.0.2.10")
NAMESAKE = Actor(ActorKind.PERSON, "https://127.0.0.1:1|4713", ADMIN.id)
"""Someone whom a provider calls what the local administrator's account is called."""
RENAMED = replace(VERA, name="Vera Married")
SAME_ACCOUNT = Actor(ActorKind.COMMAND, ADMIN.id)
"""The user of the operating system with that name."""


def act(site: Site, *actors: Actor, kind: Kind = Kind.SETTINGS) -> list[int]:
    """Let actors do something, one after the other; return the numbers of the entries."""
    with site.runtime.database.write() as tx:
        for actor in actors:
            tx.ledger.note(site.clock.now(), actor, kind)
    last = read_now(site.runtime, lambda snapshot: snapshot.tx.ledger.head()).seq
    return [*range(last - len(actors) + 1, last + 1)]


def shown(site: Site, which: LedgerFilter, limit: int = 50, **place: int) -> ActivityPage:
    return read_now(site.runtime, page_activity, limit, which, **place)


def seqs(page: ActivityPage) -> list[int]:
    return [it.seq for row in page.rows for it in row]


def salted_of(site: Site, seq: int) -> str:
    """Return what the ID of an entry's actor is kept under."""
    with site.runtime.database.read() as tx:
        line = tx.ledger.line(seq)
        assert line is not None
        (digest,) = salted_digests(unverified(line.line)["actor"]["id"])
    return digest


@ON_BOTH
def test_a_person_is_who_they_are_and_not_what_they_are_called(site: Site) -> None:
    vera, namesake, same, ops, renamed = act(site, VERA, NAMESAKE, SAME_ACCOUNT, OPS, RENAMED)
    for seq, theirs in ((vera, [renamed, vera]), (renamed, [renamed, vera]), (namesake, [namesake]), (same, [same])):
        page = shown(site, LedgerFilter(person=seq))
        assert (seqs(page), page.nobody, page.looked_to) == (theirs, None, None), seq
    admin = act(site, ADMIN)[0]
    found = shown(site, LedgerFilter(person=admin))
    assert {(it.actor, it.person) for row in found.rows for it in row} == {(ADMIN.id, ADMIN.id)}
    assert found.person is not None
    assert (found.person.kind, found.person.shown) == (ActorKind.PERSON, ADMIN.id)
    login = act(site, VERA, kind=Kind.LOGIN)[0]
    assert seqs(shown(site, LedgerFilter(Kind.LOGIN, person=vera))) == [login]
    assert seqs(shown(site, LedgerFilter(actor="token", person=vera))) == []
    assert seqs(shown(site, LedgerFilter(from_day=date(9998, 12, 31), person=vera))) == []
    for seq, why in ((ops, Nobody.NO_PERSON), (login + 9, Nobody.NO_ENTRY), (0, Nobody.NO_ENTRY)):
        page = shown(site, LedgerFilter(person=seq))
        assert (page.nobody, page.person, page.rows) == (why, None, ()), seq


@ON_BOTH
def test_whose_value_was_erased_or_changed_leads_to_no_one(site: Site) -> None:
    first, second, third, fourth = act(site, VERA, VERA, VERA, VERA)
    write(site, f"DELETE FROM ledger_salted_values WHERE sha256 = '{salted_of(site, first)}'")  # noqa: S608
    other = salted_of(site, act(site, NAMESAKE)[0])
    taken = f"(SELECT salted FROM ledger_salted_values WHERE sha256 = '{other}')"  # noqa: S608
    write(site, f"UPDATE ledger_salted_values SET salted = {taken} WHERE sha256 = '{salted_of(site, second)}'")  # noqa: S608
    write(site, f"UPDATE telemetry_ledger SET line = 'x' WHERE seq = {fourth}")  # noqa: S608
    reasons = {first: Nobody.ERASED, second: Nobody.CHANGED, fourth: Nobody.UNREADABLE}
    for seq, why in reasons.items():
        page = shown(site, LedgerFilter(person=seq))
        assert (page.nobody, page.rows) == (why, ()), seq
    assert seqs(shown(site, LedgerFilter(person=third))) == [third]


@ON_BOTH
def test_every_way_to_read_stops_after_so_many_entries_and_continues_from_there(site: Site) -> None:
    theirs = act(site, VERA, *[NAMESAKE] * 9, VERA, *[NAMESAKE] * 9)
    which, mine = LedgerFilter(person=theirs[0]), [theirs[10], theirs[0]]
    newest = shown(site, which, looks_at=5)
    assert (newest.rows, newest.looked_to, newest.older) == ((), theirs[15], theirs[15])
    pages = list(older_pages(site, which, newest))
    assert [seq for page in pages for seq in seqs(page)] == mine
    back = shown(site, which, after=theirs[0], looks_at=5)
    assert (back.rows, back.looked_to, back.newer) == ((), theirs[5], theirs[5])
    assert seqs(shown(site, which, after=theirs[5], looks_at=5)) == [theirs[10]]
    enough = shown(site, which, limit=1)
    assert (seqs(enough), enough.looked_to, enough.older) == ([theirs[10]], None, theirs[10])
    forth = read_now(site.runtime, list_entries, 0, 1, which)
    assert [it.seq for it in forth.entries] == [theirs[0]]
    assert forth.next_after == theirs[0]
    assert [it.seq for it in export_entries(site.runtime, which, OPS, persons=False)] == mine


def older_pages(site: Site, which: LedgerFilter, page: ActivityPage) -> Iterable[ActivityPage]:
    while page.older:
        page = shown(site, which, before=page.older, looks_at=5)
        yield page
