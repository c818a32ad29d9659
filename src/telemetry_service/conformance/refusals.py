"""What a License Server has to refuse, each by the one thing that is wrong with it."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from telemetry_service.conformance.check import Check, Finding
from telemetry_service.conformance.message import Message
from telemetry_service.conformance.responses import expect_acceptance, expect_status
from telemetry_service.conformance.session import Session
from telemetry_service.domain.clock import time_ordered_id
from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.sealing.canonical import canonical_json
from telemetry_service.sealing.signature import sign

SECRET_WORDS = ("conformance_extra_field", "EXT-CONFORMANCE")
"""What a payload that is refused contains, and no refusal may repeat."""

_OTHER_CUSTOMER = "cus_Conformance0OtherCustomer"
_HEADERS = ("X-Telemetry-Id", "X-Telemetry-Timestamp", "X-Telemetry-Signature", "X-Telemetry-Key-Id")
_MOST_BYTES = 256 * 1024
_MINUTES_OFF = 6

Sent = Iterable[tuple[str, Message]]
"""Messages that are all refused for the same reason, each with a few words on what is wrong."""


def right(session: Session, **changes: Any) -> Message:  # noqa: ANN401 - any JSON value
    """Return a new valid transmission, except for ``changes`` of its payload."""
    return session.customer.transmission(session.now(), session.customer.payload(session.now(), **changes))


def refused(status: int, build: Callable[[Session], Sent]) -> Callable[[Session], Finding]:
    """Return a check that each of these messages gets ``status``."""

    def run(session: Session) -> Finding:
        findings = (expect_status(session.send(message), status, sent=words) for words, message in build(session))
        return next((finding for finding in findings if finding is not None), None)

    return run


def _without_header(session: Session) -> Sent:
    return ((f"a request without {name}", right(session).but(name)) for name in _HEADERS)


def _header_twice(session: Session) -> Sent:
    for name in _HEADERS:
        message = right(session)
        yield f"a request with {name} twice", message.but(name, message.header(name), message.header(name))


def _header_form(session: Session) -> Sent:
    for name, value in (
        ("X-Telemetry-Id", "not-a-uuid"),
        ("X-Telemetry-Timestamp", "soon"),
        ("X-Telemetry-Key-Id", "no-key-id"),
        ("X-Telemetry-Ledger", "no-digest"),
    ):
        yield f"{name}: {value}", right(session).but(name, value)


def _other_key() -> str:
    return f"ck_conformance_{secrets.token_urlsafe(24)}"


def altered_signature(message: Message) -> Message:
    """Return a message that is signed with another key."""
    timestamp = int(message.header("X-Telemetry-Timestamp"))
    signature = sign(_other_key(), message.transmission_id, timestamp, message.body)
    return message.but("X-Telemetry-Signature", signature)


def _signature_key(session: Session) -> Sent:
    yield "a signature that another key has made", altered_signature(right(session))
    yield "a connection test that another key has signed", altered_signature(session.customer.ping(session.now()))


def _signature_body(session: Session) -> Sent:
    yield "a body that was changed after it was signed", replace(right(session), body=right(session).body)


def _signature_id(session: Session) -> Sent:
    changed = right(session).but("X-Telemetry-Id", str(time_ordered_id(session.now())))
    yield "an ID that was changed after the message was signed", changed


def _signature_timestamp(session: Session) -> Sent:
    later = str(int(session.now().timestamp()) + 60)
    yield "a timestamp that was changed after it was signed", right(session).but("X-Telemetry-Timestamp", later)


def _signature_version(session: Session) -> Sent:
    message = right(session)
    unknown = "v0," + message.header("X-Telemetry-Signature").removeprefix("v1,")
    yield "a signature of an unknown version only", message.but("X-Telemetry-Signature", unknown)


def _key_unknown(session: Session) -> Sent:
    stranger = replace(session.customer, api_key=_other_key())
    yield "an unknown key ID", stranger.transmission(session.now(), session.customer.payload(session.now()))
    yield "a connection test with an unknown key ID", stranger.ping(session.now())


def _timestamp(session: Session, minutes: int) -> Sent:
    sealed = right(session)
    signed = session.customer.signed(
        session.now(timedelta(minutes=minutes)), sealed.body, sealed.header("Content-Type")
    )
    yield f"a timestamp that is {minutes:+d} minutes off", signed
    yield (
        f"a connection test whose timestamp is {minutes:+d} minutes off",
        session.customer.ping(session.now(timedelta(minutes=minutes))),
    )


def _too_large(session: Session) -> Sent:
    body = b" " * (_MOST_BYTES + 1)
    yield f"a body of {len(body)} bytes", session.customer.signed(session.now(), body, "application/json")


def _content_type(session: Session) -> Sent:
    sealed = right(session)
    yield "text/plain", session.customer.signed(session.now(), sealed.body, "text/plain")


def _ping_body(session: Session) -> Sent:
    yield 'a connection test with the body {"a":1}', session.customer.ping(session.now(), b'{"a":1}')


def _json(session: Session, words: str, plaintext: bytes) -> Sent:
    yield words, session.customer.transmission(session.now(), plaintext)


def _plain(session: Session) -> bytes:
    return canonical_json(session.customer.payload(session.now()))


def _not_json(session: Session) -> Sent:
    yield from _json(session, "a payload that is not JSON", _plain(session)[:-1])
    yield from _json(session, "a payload that is not UTF-8", b'{"a":"\xff"}')


def _json_twice(session: Session) -> Sent:
    yield from _json(session, "a payload that repeats a member", _plain(session)[:-1] + b',"tier":"trial"}')


def _not_canonical(session: Session) -> Sent:
    payload = session.customer.payload(session.now())
    yield from _json(session, "a payload with spaces", json.dumps(payload).encode())
    unsorted = json.dumps(dict(reversed(payload.items())), separators=(",", ":")).encode()
    yield from _json(session, "a payload with unsorted members", unsorted)


def _extra(session: Session) -> Sent:
    yield "a payload with a field more", right(session, **{SECRET_WORDS[0]: 7})
    pairs = session.customer.payload(session.now())["bouncer_pairs"] | {SECRET_WORDS[0]: 7}
    yield "a payload with a field more in an object", right(session, bouncer_pairs=pairs)


def _lacking(session: Session) -> Sent:
    for name in ("tier", "license_metrics", "transmitted_at"):
        payload: Mapping[str, Any] = session.customer.payload(session.now())
        short = {field: value for field, value in payload.items() if field != name}
        yield f"a payload without {name}", session.customer.transmission(session.now(), short)


def _values(session: Session) -> Sent:
    for name, value in (
        ("bouncer_count", -1),
        ("bouncer_count", "21"),
        ("bouncer_count", True),
        ("tier", "conformance"),
        ("date", "2026-02-31x"),
        ("redeemed_extension_codes", [f"{SECRET_WORDS[1]} with spaces"]),
        ("days_remaining", MAX_INTEGER),
    ):
        yield f"a payload in which {name} is {value!r}", right(session, **{name: value})


def _rules(session: Session) -> Sent:
    payload = session.customer.payload(session.now())
    yield "events that do not add up", right(session, total_events=payload["total_events"] + 1)
    more = {"successful_decisions": payload["policy_decision_count"] + 1}
    yield "more successful decisions than decisions", right(session, **more)
    yield "a code twice", right(session, redeemed_extension_codes=[SECRET_WORDS[1]] * 2)


def _another_customer(session: Session) -> Sent:
    yield "the customer ID of another customer", right(session, customer_id=_OTHER_CUSTOMER)
    yield "a pseudonym that no key gives", right(session, customer_id="anon_" + "0" * 64)


def _customer(session: Session) -> Finding:
    for words, message in _another_customer(session):
        exchanged = session.send(message)
        if wrong := expect_status(exchanged, 403, sent=words):
            return wrong
        if exchanged.members.get("type") != "urn:control-core:license-server:customer-mismatch":
            return f"type in the response is {str(exchanged.members.get('type'))[:80]!r}."
    return None


def _keeps_nothing(session: Session) -> Finding:
    for words, build in (
        ("a wrong signature", _signature_key),
        ("a wrong value", _values),
        ("another customer", _another_customer),
    ):
        wrong = next(iter(build(session)))[1]
        session.send(wrong)
        exchanged = session.transmit(wrong.transmission_id)
        if problem := expect_acceptance(exchanged, sent=f"the ID of a transmission that was refused for {words}"):
            return problem
    return None


CHECKS = (
    Check(
        "header-missing",
        "A request without one of the four headers gets `400`.",
        refused(400, _without_header),
    ),
    Check("header-twice", "A request in which one of them occurs twice gets `400`.", refused(400, _header_twice)),
    Check(
        "header-form",
        "An ID that is not a UUID, a timestamp that is not a number, a malformed key ID, or a head of a ledger that is"
        " not a digest gets `400`.",
        refused(400, _header_form),
    ),
    Check(
        "key-unknown",
        "A key ID that belongs to no accepted API key gets `401`, for a connection test too.",
        refused(401, _key_unknown),
    ),
    Check(
        "signature-key",
        "A signature that another key has made gets `401`, for a connection test too.",
        refused(401, _signature_key),
    ),
    Check(
        "signature-body",
        "The signature covers the body as sent: with another body, it gets `401`.",
        refused(401, _signature_body),
    ),
    Check("signature-id", "The signature covers the ID: with another ID, it gets `401`.", refused(401, _signature_id)),
    Check(
        "signature-timestamp",
        "The signature covers the timestamp: with another timestamp, it gets `401`.",
        refused(401, _signature_timestamp),
    ),
    Check(
        "signature-version",
        "A list without a signature of the version `v1` gets `401`.",
        refused(401, _signature_version),
    ),
    Check(
        "timestamp-old",
        "A timestamp more than 5 minutes before the License Server's clock gets `400`. A `401` would say that the API"
        " key is wrong.",
        refused(400, lambda session: _timestamp(session, -_MINUTES_OFF)),
    ),
    Check(
        "timestamp-future",
        "A timestamp more than 5 minutes after the License Server's clock gets `400`.",
        refused(400, lambda session: _timestamp(session, _MINUTES_OFF)),
    ),
    Check("body-too-large", "A body of more than 256 KiB gets `413`.", refused(413, _too_large)),
    Check(
        "content-type",
        "A content type other than `application/json` and `application/jose` gets `415`.",
        refused(415, _content_type),
    ),
    Check("ping-body", "A connection test with a body other than `{}` gets `422`.", refused(422, _ping_body)),
    Check("json", "A payload that is not JSON in UTF-8 gets `400`.", refused(400, _not_json)),
    Check("json-twice", "A payload that repeats a member gets `400`.", refused(400, _json_twice)),
    Check(
        "json-canonical",
        "A payload that is not in the form of RFC 8785 gets `400`: its digest would not identify it.",
        refused(400, _not_canonical),
    ),
    Check("schema-extra", "A payload with a field that no published schema has gets `422`.", refused(422, _extra)),
    Check("schema-missing", "A payload without one of its fields gets `422`.", refused(422, _lacking)),
    Check(
        "schema-value",
        "A value of another type, out of its bounds, or outside its enumeration or pattern gets `422`.",
        refused(422, _values),
    ),
    Check(
        "schema-rules",
        "A payload whose fields contradict each other gets `422`.",
        refused(422, _rules),
    ),
    Check(
        "customer",
        "A payload of another customer than that of the API key gets `403` with the `type`"
        " `urn:control-core:license-server:customer-mismatch`, and nothing of it is kept. The service then prepares the"
        " payload again for the present key.",
        _customer,
    ),
    Check(
        "refusal-no-trace",
        "A refusal leaves no trace: a correct transmission under the same ID is accepted.",
        _keeps_nothing,
    ),
)
