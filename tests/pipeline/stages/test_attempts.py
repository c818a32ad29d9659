"""What is kept of an attempt: on disk before anything is sent, and complete once its outcome is known."""

import hashlib
import json
import time
from datetime import timedelta

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.transmissions import Attempt, AttemptTrigger, HistoryFilter, LastExchange, State
from telemetry_service.pipeline.actions.retry import retry
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.queries.history import TransmissionDetail, list_transmissions, read_transmission
from telemetry_service.pipeline.runtime import Failpoint
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing.identity import key_id
from tests.support.actors import ADMIN
from tests.support.fault_server import Visit
from tests.support.faults import response
from tests.support.license_server import API_KEY, Trouble, hang, reply
from tests.support.site import LIMITS, Site, usage


@pytest.mark.parametrize("encrypt", [True, False])
def test_an_attempt_is_on_disk_with_its_digests_before_anything_is_sent(site: Site, encrypt: bool) -> None:  # noqa: FBT001
    site.configure(encrypt_payload=encrypt)
    before: list[TransmissionDetail] = []

    def look(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            (transmission,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 2).items
            before.append(read_now(site.runtime, read_transmission, transmission.transmission_id))
            assert site.server.server.requests == []

    send_now(site.open(look), ADMIN, None)
    (request,), (entry,) = site.server.server.requests, site.server.journal()
    (seen,) = before
    assert (seen.transmission.state, seen.transmission.attempts_made) == (State.PENDING, 1)
    assert (seen.transmission.last_attempt_at, seen.transmission.accepted_at) == (site.clock.now(), None)
    assert seen.attempts == (
        Attempt(
            number=1,
            trigger=AttemptTrigger.SEND_NOW,
            started_at=site.clock.now(),
            finished_at=None,
            transmitted_at="2026-11-03T10:00:00.000Z",
            timestamp=int(site.clock.now().timestamp()),
            payload_sha256=hashlib.sha256(entry.payload).hexdigest(),
            body_sha256=hashlib.sha256(request.body).hexdigest(),
            body_bytes=len(request.body),
            encrypted=encrypt,
            key_id=key_id(API_KEY),
            state=State.PENDING,
            cause=None,
            response_code=None,
            duplicate=False,
            duration_ms=None,
        ),
    )
    with site.runtime.database.read() as tx:
        assert tx.evidence.get(seen.transmission.transmission_id, seen.attempts[0].payload_sha256) == entry.payload
        assert tx.evidence.get(seen.transmission.transmission_id, seen.attempts[0].body_sha256) == request.body


def test_of_an_accepted_transmission_everything_is_known(site: Site) -> None:
    detail = send_now(site.runtime, ADMIN, None)
    transmission, (attempt,) = detail.transmission, detail.attempts
    (entry,) = site.server.journal()
    assert (transmission.state, transmission.accepted_at) == (State.SUCCESS, site.clock.now())
    assert (transmission.response_code, transmission.cause, transmission.next_attempt_at) == (200, None, None)
    assert transmission.receipt is not None
    prepared = {name: value for name, value in json.loads(entry.payload).items() if name != "transmitted_at"}
    assert detail.payload == json.dumps(prepared, separators=(",", ":")).encode()
    assert transmission.prepared_sha256 == hashlib.sha256(detail.payload).hexdigest()
    assert (attempt.state, attempt.finished_at, attempt.response_code) == (State.SUCCESS, site.clock.now(), 200)
    assert (attempt.cause, attempt.duplicate) == (None, False)
    assert attempt.duration_ms == transmission.last_duration_ms
    assert read_now(site.runtime, read_health).last_exchange == LastExchange(
        site.clock.now(), ok=True, cause=None, sequence=1
    )


def test_of_a_failed_transmission_everything_is_known(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(503, Retry_After="120")))
    detail = send_now(site.runtime, ADMIN, None)
    transmission, (attempt,) = detail.transmission, detail.attempts
    assert (transmission.state, transmission.cause, transmission.response_code) == (State.RETRYING, Cause.BUSY, 503)
    assert transmission.next_attempt_at == site.clock.now() + timedelta(seconds=120)
    assert (attempt.state, attempt.cause, attempt.response_code) == (State.RETRYING, Cause.BUSY, 503)
    assert (attempt.finished_at, attempt.duplicate) == (site.clock.now(), False)
    assert attempt.duration_ms == transmission.last_duration_ms
    assert read_now(site.runtime, read_health).last_exchange == LastExchange(
        site.clock.now(), ok=False, cause=Cause.BUSY, sequence=1
    )


def test_how_long_an_attempt_took_is_kept_in_milliseconds(site: Site) -> None:
    site.server.trouble(Trouble(before=hang))
    began = time.monotonic()
    transmission = send_now(site.runtime, ADMIN, None).transmission
    longest = (time.monotonic() - began) * 1000
    assert transmission.last_duration_ms is not None
    assert LIMITS.deadline.total_seconds() * 1000 * 0.9 < transmission.last_duration_ms <= longest


def test_a_conflict_about_the_body_of_an_earlier_attempt_is_an_acceptance(site: Site) -> None:
    """The License Server already has it: it names the body that it received with this ID, which was ours."""
    site.report(usage(5))
    site.server.trouble(Trouble(before=reply(503)))
    failed = send_now(site.runtime, ADMIN, None).transmission
    site.clock.advance(minutes=5)
    first = site.server.server.requests[0]
    conflict = {"transmission_id": str(failed.transmission_id), "body_sha256": hashlib.sha256(first.body).hexdigest()}

    def strike(visit: Visit) -> None:
        visit.send(response(409, json.dumps(conflict).encode()))

    site.server.trouble(Trouble(before=strike))
    detail = retry(site.runtime, failed.transmission_id, ADMIN)
    assert detail.transmission.state is State.SUCCESS
    assert (detail.attempts[-1].response_code, detail.attempts[-1].duplicate) == (409, True)


def test_an_attempt_changes_nothing_of_the_attempts_of_other_transmissions(site: Site) -> None:
    site.server.trouble(Trouble(before=reply(422)))
    failed = send_now(site.runtime, ADMIN, None)
    site.server.trouble()
    assert send_now(site.runtime, ADMIN, None).transmission.state is State.SUCCESS
    found = read_now(site.runtime, read_transmission, failed.transmission.transmission_id)
    assert (found.transmission, found.attempts) == (failed.transmission, failed.attempts)


def test_an_attempt_leaves_open_what_another_transmission_is_in_the_middle_of(site: Site) -> None:
    seen: list[TransmissionDetail] = []

    def send_another(failpoint: Failpoint) -> None:
        if failpoint is Failpoint.CLAIMED:
            (mine,) = read_now(site.runtime, list_transmissions, HistoryFilter(), None, 2).items
            send_now(site.runtime, ADMIN, None)
            seen.append(read_now(site.runtime, read_transmission, mine.transmission_id))

    send_now(site.open(send_another), ADMIN, None)
    (attempt,) = seen[0].attempts
    assert (attempt.state, attempt.finished_at) == (State.PENDING, None)
