"""Idempotency: one ID is counted once, however often it arrives."""

import hashlib

from telemetry_service.conformance.check import Check, Finding, NotChecked
from telemetry_service.conformance.responses import expect_acceptance, expect_status
from telemetry_service.conformance.session import Session
from telemetry_service.domain.timestamps import parse_moment

_NOTHING = NotChecked("No transmission was accepted.")


def _repeat(session: Session) -> Finding:
    if not session.first.accepted:
        return _NOTHING
    return expect_acceptance(session.again, "duplicate", "the same body again")


def _sealed_again(session: Session) -> Finding:
    if not session.first.accepted:
        return _NOTHING
    sent = session.transmit(session.first.message.transmission_id)
    return expect_acceptance(sent, "duplicate", "the same payload with another transmitted_at and IV")


def _time(session: Session) -> Finding:
    if not session.first.accepted or not session.again.accepted:
        return NotChecked("No repetition was accepted.")
    times = [it.members.get("received_at") for it in (session.first, session.again)]
    try:
        first, again = (parse_moment(str(time)) for time in times)
    except ValueError:
        return "received_at cannot be read."
    return None if first == again else f"received_at was {times[0]} at first, and then {times[1]}."


def _conflict(session: Session) -> Finding:
    if not session.first.accepted:
        return _NOTHING
    sent = session.first.message
    exchanged = session.transmit(sent.transmission_id, deployed_bouncer_count=1)
    if wrong := expect_status(exchanged, 409, sent="a known ID with another payload"):
        return wrong
    if exchanged.members.get("transmission_id") != str(sent.transmission_id):
        return "transmission_id in the response is not the ID of the request."
    if exchanged.members.get("body_sha256") != hashlib.sha256(sent.body).hexdigest():
        return "body_sha256 in the response is not the digest of the body that was accepted first."
    return None


def _conflict_keeps(session: Session) -> Finding:
    if not session.first.accepted:
        return _NOTHING
    sent = session.first.message
    session.transmit(sent.transmission_id, deployed_bouncer_count=2)
    repeated = session.transmit(sent.transmission_id)
    return expect_acceptance(repeated, "duplicate", "the first payload after a conflict")


def _apart(session: Session) -> Finding:
    other = session.other_customer
    if other is None:
        return NotChecked("No other customer is given.")
    if not session.first.accepted:
        return _NOTHING
    now = session.now()
    used = session.first.message.transmission_id
    exchanged = session.send(other.transmission(now, other.payload(now), transmission_id=used))
    return expect_acceptance(exchanged, sent="an ID that another customer has used")


CHECKS = (
    Check(
        "repeat",
        "The same transmission again, with a new timestamp and signature, is a success: `200` with `status`"
        " `duplicate`.",
        _repeat,
    ),
    Check(
        "repeat-sealed-again",
        "A repetition is recognized by its ID and its payload. `transmitted_at`, the IV, and the encryption differ from"
        " attempt to attempt.",
        _sealed_again,
    ),
    Check("repeat-time", "`received_at` of a duplicate is the time of the first acceptance.", _time),
    Check(
        "conflict",
        "A known ID with a different payload gets `409`, with the `transmission_id` and the `body_sha256` of what was"
        " accepted first.",
        _conflict,
    ),
    Check(
        "ids-apart",
        "The IDs of each customer are kept apart: no customer can use up the ID of another.",
        _apart,
    ),
    Check("conflict-keeps", "A conflict changes nothing: what was accepted first stays accepted.", _conflict_keeps),
)
