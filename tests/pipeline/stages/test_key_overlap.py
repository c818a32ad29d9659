"""Two API keys overlap, because both sides never switch at one moment: nothing waits, is lost, or counts twice."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import create_engine

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import AttemptTrigger, State, Transmission
from telemetry_service.pipeline.actions.configure import remove_api_key, save_configuration, set_api_key
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.api_key_overlap import LONGEST
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.history import TransmissionDetail, read_transmission
from telemetry_service.pipeline.queries.proof import prove
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.signed_numbers import known_numbers
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.deliver import deliver, deliver_due
from telemetry_service.pipeline.stages.sweep import examine_everything, sweep
from telemetry_service.sealing.identity import key_id, pseudonym
from telemetry_service.storage.stamps import OVERLAP
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.fault_server import Visit
from tests.support.forged_lines import FORGERIES
from tests.support.ledger import entries
from tests.support.license_server import API_KEY, CUSTOMER, Strike, Trouble, reply
from tests.support.site import Site, usage
from tests.support.tampering import changed, run

NEW, NEWER, MISTYPED = "ck_test_new_0Zq81", "ck_test_newer_4Hd72", "mistyped-key-0123456789"
OLD_ID, NEW_ID, NEWER_ID, MISTYPED_ID = map(key_id, (API_KEY, NEW, NEWER, MISTYPED))
UNKNOWN = Cause.API_KEY_NOT_ACCEPTED


class CrashError(Exception):
    """The process ends here: what was committed stays, and nothing else happens."""


def switch(site: Site, new: str = NEW) -> None:
    """Let the customer switch to a new key."""
    set_api_key(site.runtime, new, ADMIN, overlap=True)


def vendor_switches(site: Site, new: str = NEW) -> None:
    """Let the vendor know the new key, and no longer accept the old one."""
    site.server.store.add_key(new, CUSTOMER)
    site.server.store.revoke_key(OLD_ID)


def old_key(site: Site) -> str | None:
    """Return the ID of the old key while it overlaps, as every interface shows it."""
    shown = read_now(site.runtime, read_configuration).old_api_key
    with site.runtime.database.read() as tx:
        assert (tx.sealed_values.overlap() is None) == (shown is None)
    return None if shown is None else shown.key_id


def send(site: Site) -> TransmissionDetail:
    """Send the open period now."""
    site.report(usage(1_000))
    return send_now(site.runtime, ADMIN, None)


def read(site: Site, transmission_id: UUID) -> TransmissionDetail:
    """Return what is known of a transmission at present."""
    return read_now(site.runtime, read_transmission, transmission_id)


def tried(detail: TransmissionDetail) -> list[tuple[str, Cause | None]]:
    """Return the key and the result of each attempt."""
    return [(attempt.key_id, attempt.cause) for attempt in detail.attempts]


def ends(site: Site) -> list[str]:
    """Return why old keys were destroyed."""
    return [str(it.details["reason"]) for it in entries(site.runtime.database) if it.kind is Kind.KEY_OVERLAP_ENDED]


def preparations(site: Site) -> int:
    """Return how often a payload was prepared."""
    return sum(it.kind is Kind.PREPARED for it in entries(site.runtime.database))


def all_is_proved(site: Site) -> bool:
    """Whether everything in the ledger verifies, and what is stored beside it."""
    found = examine_everything(site.runtime)
    return found is not None and not found.problems


@ON_BOTH
def test_the_customer_switches_first(site: Site) -> None:
    switch(site)
    sent = send(site)
    assert sent.transmission.state is State.SUCCESS
    assert tried(sent) == [(NEW_ID, UNKNOWN), (OLD_ID, None)]
    assert read_now(site.runtime, prove, sent).holds
    payloads = [json.loads(read_now(site.runtime, prove, sent).payload_of(it) or b"") for it in sent.attempts]
    assert [it["customer_id"] for it in payloads] == [pseudonym(API_KEY, CUSTOMER)] * 2, "known under both keys"
    assert preparations(site) == 1
    assert old_key(site) == OLD_ID, "only the new key's acceptance ends it"

    vendor_switches(site)
    again = send(site)
    assert tried(again) == [(NEW_ID, None)]
    assert old_key(site) is None
    assert ends(site) == ["accepted"]
    assert send(site).transmission.state is State.SUCCESS
    named = [payload.customer_id for payload in site.server.payloads()]
    assert named == [pseudonym(API_KEY, CUSTOMER)] * 2 + [pseudonym(NEW, CUSTOMER)]
    assert [entry.times_received for entry in site.server.journal()] == [1, 1, 1]
    assert all_is_proved(site)


def test_the_vendor_switches_first(site: Site) -> None:
    vendor_switches(site)
    held = send(site)
    assert (held.transmission.state, tried(held)) == (State.HELD, [(OLD_ID, UNKNOWN)])
    switch(site)
    assert deliver_due(site.runtime) == 1
    after = read(site, held.transmission.transmission_id)
    assert (after.transmission.state, tried(after)) == (State.SUCCESS, [(OLD_ID, UNKNOWN), (NEW_ID, None)])
    assert (preparations(site), old_key(site)) == (1, None)


def test_the_vendor_switches_between_the_two_attempts(site: Site) -> None:
    switch(site)

    def refuse_and_switch(visit: Visit) -> None:
        vendor_switches(site)
        reply(401)(visit)

    site.server.trouble(Trouble(before=refuse_and_switch, times=1))
    held = send(site)
    assert (held.transmission.state, tried(held)) == (State.HELD, [(NEW_ID, UNKNOWN), (OLD_ID, UNKNOWN)])
    assert deliver_due(site.runtime) == 0, "each key once, and then as any refused key"
    site.tick()
    after = read(site, held.transmission.transmission_id)
    assert (after.transmission.state, tried(after)[2:]) == (State.SUCCESS, [(NEW_ID, None)])


def test_only_a_401_is_followed_by_the_old_key(site: Site) -> None:
    switch(site)
    for strike in (reply(403), reply(422), reply(500)):
        site.server.trouble(Trouble(before=strike, times=1))
        assert [key for key, _cause in tried(send(site))] == [NEW_ID]
    site.server.trouble(Trouble(before=_first(reply(401), reply(500))))
    sent = send(site)
    assert tried(sent) == [(NEW_ID, UNKNOWN), (OLD_ID, Cause.SERVER_ERROR)]
    assert sent.transmission.state is State.RETRYING
    site.server.trouble()
    retried = retry(site.runtime, sent.transmission.transmission_id, ADMIN)
    assert tried(retried)[2:] == [(NEW_ID, UNKNOWN), (OLD_ID, None)], "each time the new key comes first"


def _first(strike: Strike, then: Strike) -> Strike:
    strikes = iter((strike,))

    def hit(visit: Visit) -> None:
        next(strikes, then)(visit)

    return hit


@ON_BOTH
def test_a_crash_between_the_two_attempts_is_made_up_for(site: Site) -> None:
    transmission_id = waiting(site).transmission_id
    switch(site)
    with suppress(CrashError):
        deliver(site.open(_crash_at(Failpoint.OUTCOME_COMMITTED)), transmission_id, AttemptTrigger.RETRY)
    assert tried(read(site, transmission_id)) == [(NEW_ID, UNKNOWN)]
    assert deliver_due(site.runtime) == 1
    assert tried(read(site, transmission_id)) == [(NEW_ID, UNKNOWN), (OLD_ID, None)]
    assert [entry.times_received for entry in site.server.journal()] == [1]


def waiting(site: Site) -> Transmission:
    """Return a transmission that was not tried yet."""
    site.report(usage(1_000))
    site.tick_only()
    with site.runtime.database.read() as tx:
        (transmission_id,) = tx.transmissions.waiting(frozenset({State.PENDING}))
    return read(site, transmission_id).transmission


def _crash_at(chosen: Failpoint) -> Callable[[Failpoint], None]:
    def crash(failpoint: Failpoint) -> None:
        if failpoint is chosen:
            raise CrashError

    return crash


@ON_BOTH
def test_of_two_replicas_one_makes_the_second_attempt(site: Site) -> None:
    transmission_id = waiting(site).transmission_id
    switch(site)
    other = site.open()

    def be_faster(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.OUTCOME_COMMITTED:
            deliver_due(other)

    deliver(site.open(be_faster), transmission_id, AttemptTrigger.RETRY)
    assert tried(read(site, transmission_id)) == [(NEW_ID, UNKNOWN), (OLD_ID, None)]


def test_a_process_that_is_stopping_leaves_the_second_attempt_to_the_next(site: Site) -> None:
    transmission_id = waiting(site).transmission_id
    switch(site)
    stopping = site.open()
    stopping.stopping.set()
    deliver(stopping, transmission_id, AttemptTrigger.RETRY)
    assert len(read(site, transmission_id).attempts) == 1
    deliver_due(site.runtime)
    assert read(site, transmission_id).transmission.state is State.SUCCESS


def test_after_a_day_the_old_key_is_destroyed(site: Site) -> None:
    switch(site)
    site.clock.advance(seconds=LONGEST.total_seconds() - 1)
    deliver_due(site.runtime)
    assert old_key(site) == OLD_ID
    site.clock.advance(seconds=1)
    assert tried(send(site)) == [(NEW_ID, UNKNOWN)], "not used either if no waking came in between"
    deliver_due(site.runtime)
    assert old_key(site) is None
    assert ends(site) == ["expired"]


def test_a_clock_that_is_set_back_does_not_prolong_it(site: Site) -> None:
    switch(site)
    site.clock.set(site.clock.now() - timedelta(days=30))
    deliver_due(site.runtime)
    assert old_key(site) == OLD_ID
    site.clock.advance(seconds=LONGEST.total_seconds())
    deliver_due(site.runtime)
    assert ends(site) == ["expired"]


def test_removing_or_replacing_without_overlap_destroys_it_now(site: Site) -> None:
    switch(site)
    remove_api_key(site.runtime, ADMIN)
    assert old_key(site) is None
    set_api_key(site.runtime, API_KEY, ADMIN, overlap=True)
    assert old_key(site) is None, "nothing was replaced"
    switch(site)
    set_api_key(site.runtime, NEW, ADMIN)
    assert old_key(site) is None, "the present key again, without overlap"
    switch(site, NEWER)
    assert old_key(site) == NEW_ID
    stored = read_now(site.runtime, read_configuration).stored
    save_configuration(site.runtime, stored.values, stored.version, ADMIN, API_KEY)
    assert old_key(site) is None
    assert ends(site) == ["removed", "replaced", "replaced"]


def test_a_mistyped_key_does_not_push_out_the_one_that_works(site: Site) -> None:
    began = site.clock.now()
    switch(site, MISTYPED)
    site.clock.advance(seconds=3600)
    switch(site)
    shown = read_now(site.runtime, read_configuration).old_api_key
    assert shown is not None
    assert (shown.key_id, shown.until) == (OLD_ID, began + LONGEST), "no longer than promised"
    switch(site)
    assert old_key(site) == OLD_ID, "the present key again changes nothing"
    assert tried(send(site)) == [(NEW_ID, UNKNOWN), (OLD_ID, None)]
    switch(site, API_KEY)
    assert old_key(site) is None, "back to the old one"
    assert tried(send(site)) == [(OLD_ID, None)]


def test_if_the_first_key_was_the_mistyped_one_the_payload_follows_the_right_one(site: Site) -> None:
    set_api_key(site.runtime, MISTYPED, ADMIN)
    held = send(site)
    set_api_key(site.runtime, API_KEY, ADMIN, overlap=True)
    assert deliver_due(site.runtime) == 1
    assert deliver_due(site.runtime) == 1
    after = read(site, held.transmission.transmission_id)
    assert tried(after) == [(MISTYPED_ID, UNKNOWN), (OLD_ID, Cause.FORBIDDEN), (OLD_ID, None)]
    (payload,) = site.server.payloads()
    assert payload.customer_id == pseudonym(API_KEY, CUSTOMER)


def test_a_key_that_is_replaced_during_an_attempt_is_followed_by_its_successor(site: Site) -> None:
    vendor_switches(site)
    transmission_id = waiting(site).transmission_id

    def save_meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            switch(site)

    deliver(site.open(save_meanwhile), transmission_id, AttemptTrigger.RETRY)
    assert deliver_due(site.runtime) == 1
    assert tried(read(site, transmission_id)) == [(OLD_ID, UNKNOWN), (NEW_ID, None)]


def test_no_second_attempt_under_a_key_that_was_destroyed_in_between(site: Site) -> None:
    transmission_id = waiting(site).transmission_id
    switch(site)

    def destroy_meanwhile(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.SENT:
            set_api_key(site.runtime, NEW, ADMIN)

    deliver(site.open(destroy_meanwhile), transmission_id, AttemptTrigger.RETRY)
    assert tried(read(site, transmission_id)) == [(NEW_ID, UNKNOWN), (NEW_ID, UNKNOWN)], "planned, and without another"
    assert deliver_due(site.runtime) == 0


def test_in_bundles_nothing_overlaps(site: Site) -> None:
    site.runtime = site.open(replica=replace(site.replica, delivery=Delivery.BUNDLE))
    switch(site)
    assert old_key(site) is None


def test_the_old_key_is_at_rest_sealed_and_no_one_else_can_prolong_it(site: Site) -> None:
    switch(site)
    with site.runtime.database.read() as tx:
        before = tx.sealed_values.overlap()
    assert before is not None
    assert API_KEY.encode() not in before
    site.clock.advance(seconds=LONGEST.total_seconds())
    deliver_due(site.runtime)
    for now in (NEW, NEWER):
        set_api_key(site.runtime, now, ADMIN)
        with site.runtime.database.write() as tx:
            tx.sealed_values.keep_overlap(before)
        assert read_now(site.runtime, read_configuration).old_api_key is None
        deliver_due(site.runtime)
        assert old_key(site) is None


def _replaced(site: Site) -> None:
    set_api_key(site.runtime, NEW, ADMIN)


def _removed(site: Site) -> None:
    remove_api_key(site.runtime, ADMIN)
    set_api_key(site.runtime, NEW, ADMIN, overlap=True)


def _replaced_twice(site: Site) -> None:
    switch(site, NEWER)
    set_api_key(site.runtime, NEW, ADMIN)


def _accepted(site: Site) -> None:
    vendor_switches(site)
    send(site)


def _accepted_while_its_row_was_away(site: Site) -> None:
    _run(site, "DELETE FROM api_key_overlap")
    _accepted(site)


def _replaced_while_its_row_was_away(site: Site) -> None:
    _run(site, "DELETE FROM api_key_overlap")
    _replaced(site)


DESTROYED: tuple[Callable[[Site], None], ...] = (
    _replaced,
    _removed,
    _replaced_twice,
    _replaced_while_its_row_was_away,
    _accepted,
    _accepted_while_its_row_was_away,
)
"""How an old key is destroyed, so that the new one is the only one."""


def _run(site: Site, *statements: str) -> None:
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        run(*statements)(connection)
    engine.dispose()


def test_no_copy_of_its_row_brings_a_destroyed_key_back(site: Site) -> None:
    for destroy in DESTROYED:
        set_api_key(site.runtime, API_KEY, ADMIN)
        switch(site)
        _run(site, "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT * FROM api_key_overlap")
        destroy(site)
        for knows in ("the entries since", "the verdict"):
            _run(site, "DELETE FROM api_key_overlap", "INSERT INTO api_key_overlap SELECT * FROM kept")
            assert read_now(site.runtime, read_configuration).old_api_key is None, (destroy, knows)
            deliver_due(site.runtime)
            assert (old_key(site), ends(site)[-1]) == (None, "put_back"), (destroy, knows)
            sweep(site.runtime)
    _run(site, "INSERT INTO api_key_overlap SELECT * FROM kept")
    site.server.trouble(Trouble(before=reply(401)))
    assert tried(send(site)) == [(NEW_ID, UNKNOWN)]
    assert all_is_proved(site)


def test_no_forged_line_brings_a_destroyed_key_back(site: Site) -> None:
    switch(site)
    with site.runtime.database.read() as tx:
        number = known_numbers(site.runtime, tx, None)[OVERLAP]
    _run(site, "CREATE TABLE kept AS SELECT * FROM api_key_overlap")
    site.clock.advance(seconds=1)
    _accepted(site)
    sweep(site.runtime)
    back = run("INSERT INTO api_key_overlap SELECT * FROM kept")
    for forge in FORGERIES:
        with changed(site.replica.database_url, back, partial(forge, name=OVERLAP, number=number)):
            for _ in range(3):
                assert read_now(site.runtime, read_configuration).old_api_key is None, forge.__name__
                sweep(site.runtime)
            deliver_due(site.runtime)
            assert (old_key(site), ends(site)[-1]) == (None, "put_back"), forge.__name__
        sweep(site.runtime)


def test_a_copy_of_a_row_does_not_prolong_what_the_mistyped_key_in_between_had(site: Site) -> None:
    switch(site, MISTYPED)
    _run(site, "CREATE TABLE kept AS SELECT * FROM api_key_overlap")
    switch(site)
    switch(site, MISTYPED)
    _run(site, "DELETE FROM api_key_overlap", "INSERT INTO api_key_overlap SELECT * FROM kept")
    assert read_now(site.runtime, read_configuration).old_api_key is None


def test_while_an_entry_is_missing_no_one_can_tell_and_the_old_key_waits(site: Site) -> None:
    switch(site)
    sweep(site.runtime)
    site.configure(retention_days=90)
    _run(site, "DELETE FROM telemetry_ledger WHERE seq = (SELECT max(seq) FROM telemetry_ledger)")
    assert read_now(site.runtime, read_configuration).old_api_key is None
    deliver_due(site.runtime)
    assert ends(site) == []
    for _ in range(2):
        sweep(site.runtime)
    assert old_key(site) == OLD_ID


def test_approving_rows_that_someone_changed_keeps_the_old_key(site: Site) -> None:
    switch(site)
    _run(site, "UPDATE telemetry_configuration SET anonymize_pii = false")
    site.configure(anonymize_pii=True)
    assert old_key(site) == OLD_ID
    sweep(site.runtime)
    assert old_key(site) == OLD_ID
    assert all_is_proved(site)
