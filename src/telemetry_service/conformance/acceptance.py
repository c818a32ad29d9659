"""What a License Server has to accept, and the members of its response."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from telemetry_service.conformance.check import Check, Finding, NotChecked
from telemetry_service.conformance.responses import expect_acceptance, expect_status, got, time_problem
from telemetry_service.conformance.session import Session
from telemetry_service.domain.payload import MAX_CODES, MAX_INTEGER
from telemetry_service.domain.payload_schemas.published import published
from telemetry_service.sealing.identity import pseudonym

MINUTES_OFF = 4
"""Well within the five minutes that the protocol allows."""
_LONGEST_CODE = 64
_ENCRYPTION_REQUIRED = "urn:control-core:license-server:encryption-required"
_UNPROCESSABLE = 422


def _ping(session: Session) -> Finding:
    exchanged = session.send(session.customer.ping(session.now()))
    wrong = expect_status(exchanged, 200, sent="a connection test")
    if wrong or exchanged.members.get("status") == "ok":
        return wrong
    return 'The response to a connection test lacks "status": "ok".'


def _ping_leaves_no_trace(session: Session) -> Finding:
    ping = session.customer.ping(session.now())
    session.send(ping)
    return expect_acceptance(session.transmit(ping.transmission_id), sent="a transmission with a connection test's ID")


def _encrypted(session: Session) -> Finding:
    return expect_acceptance(session.first, sent="an encrypted transmission")


def _clear(session: Session) -> Finding:
    exchanged = session.transmit(encrypted=False)
    if exchanged.status == _UNPROCESSABLE and exchanged.members.get("type") == _ENCRYPTION_REQUIRED:
        return NotChecked("This License Server requires encryption.")
    return expect_acceptance(exchanged, sent="an unencrypted transmission")


def _response_id(session: Session) -> Finding:
    if not session.first.accepted:
        return NotChecked("No transmission was accepted.")
    named = session.first.members.get("transmission_id")
    try:
        same = UUID(str(named)) == session.first.message.transmission_id
    except ValueError:
        same = False
    return None if same else f"transmission_id is {str(named)[:80]!r}."


def _response_time(session: Session) -> Finding:
    if not session.first.accepted:
        return NotChecked("No transmission was accepted.")
    problem = time_problem(session.first.members.get("received_at"))
    return None if problem is None else f"received_at cannot be read: {problem}."


def _pseudonym(session: Session) -> Finding:
    customer = session.customer
    named = pseudonym(customer.api_key, customer.customer_id)
    return expect_acceptance(session.transmit(customer_id=named), sent="a transmission under the pseudonym")


def _former_key(session: Session) -> Finding:
    if session.former_api_key is None:
        return NotChecked("No former API key is given.")
    named = pseudonym(session.former_api_key, session.customer.customer_id)
    return expect_acceptance(session.transmit(customer_id=named), sent="the pseudonym under a former API key")


def _nulls(session: Session) -> Finding:
    payload = session.customer.payload(session.now())
    metrics: dict[str, Any] = {
        **payload["license_metrics"],
        "license_token_age_days": None,
        "license_token_expires_in_days": None,
        "telemetry_last_attempt_ok": None,
        "telemetry_last_success_age_hours": None,
    }
    sent = session.transmit(days_remaining=None, license_metrics=metrics, redeemed_extension_codes=[])
    return expect_acceptance(sent, sent="a payload with every null and no code")


def _largest(session: Session) -> Finding:
    codes = [f"EXT-{number:0{_LONGEST_CODE - 4}}" for number in range(MAX_CODES)]
    counts: dict[str, Any] = {"policy_decision_count": MAX_INTEGER, "successful_decisions": MAX_INTEGER}
    events: dict[str, Any] = {"total_events": MAX_INTEGER, "sandbox_events": MAX_INTEGER, "production_events": 0}
    sent = session.transmit(redeemed_extension_codes=codes, **counts, **events)
    return expect_acceptance(sent, sent="the largest payload")


def _schemas(session: Session) -> Finding:
    for schema in published():
        payload = session.customer.payload(session.now(), schema)
        exchanged = session.send(session.customer.transmission(session.now(), payload))
        if wrong := expect_acceptance(exchanged, sent=f"a payload of the schema {schema.sha256[:12]}…"):
            return wrong
    return None


def _tolerance(session: Session) -> Finding:
    for minutes in (-MINUTES_OFF, MINUTES_OFF):
        sealed = session.customer.transmission(session.now(), session.customer.payload(session.now()))
        signed = session.customer.signed(
            session.now(timedelta(minutes=minutes)), sealed.body, sealed.header("Content-Type")
        )
        if wrong := expect_acceptance(session.send(signed), sent=f"a timestamp that is {minutes:+d} minutes off"):
            return wrong
    return None


def _several_signatures(session: Session) -> Finding:
    message = session.customer.transmission(session.now(), session.customer.payload(session.now()))
    signature = message.header("X-Telemetry-Signature")
    exchanged = session.send(message.but("X-Telemetry-Signature", f"{signature} {signature}"))
    return expect_acceptance(exchanged, sent="a list of two correct signatures")


def _other_headers(session: Session) -> Finding:
    message = session.customer.transmission(session.now(), session.customer.payload(session.now()))
    for name, value in (("Via", "1.1 proxy"), ("X-Forwarded-For", "192.0.2.7"), ("X-Telemetry-Later", "1")):
        message = message.but(name, value)
    exchanged = session.send(message)
    return expect_acceptance(exchanged, sent="a transmission with headers of a proxy")


def _license(session: Session) -> Finding:
    if not session.first.accepted or session.first.members.get("license") is None:
        return NotChecked("No response contained a license.")
    block = session.first.members["license"]
    if not isinstance(block, dict):
        return "license is not an object."
    for name in ("tier", "license_status"):
        if not isinstance(block.get(name), str) or not block[name]:
            return f"license.{name} is missing, or is not a text."
    problem = None if block.get("expires_at") is None else time_problem(block["expires_at"])
    return None if problem is None else f"license.expires_at cannot be read: {problem}."


def _conforming_2xx(session: Session) -> Finding:
    odd = [it for it in session.exchanged if it.status is not None and 200 < it.status < 300]  # noqa: PLR2004 - 2xx
    return f"A response has the status {got(odd[0])}." if odd else None


CHECKS = (
    Check(
        "ping",
        'A connection test with a correct signature gets `200` and `{"status": "ok"}`.',
        _ping,
    ),
    Check(
        "encrypted",
        "An encrypted transmission gets `200` with `status` `accepted`.",
        _encrypted,
    ),
    Check(
        "clear",
        "An unencrypted transmission is accepted too, unless the License Server requires encryption (`422`"
        " `encryption-required`).",
        _clear,
    ),
    Check(
        "response-id",
        "`transmission_id` in an acceptance is the `X-Telemetry-Id` of the request.",
        _response_id,
    ),
    Check(
        "response-time",
        "`received_at` in an acceptance is RFC 3339 with a zone.",
        _response_time,
    ),
    Check(
        "license",
        "`license` is optional. If it is there, it is an object with `tier` and `license_status`, both nonempty texts,"
        " and perhaps `expires_at`, RFC 3339 with a zone or null.",
        _license,
    ),
    Check(
        "pseudonym",
        "The payload names its customer by the customer ID or by the pseudonym of that ID under any API key that the"
        " customer ever had.",
        _pseudonym,
    ),
    Check(
        "pseudonym-former",
        "A pseudonym under a former API key is accepted in a message that the present one signs.",
        _former_key,
    ),
    Check("nulls", "Whatever the schema allows to be null may be null, and the list of codes may be empty.", _nulls),
    Check(
        "largest",
        "Counts up to 2^53-1 and 1,000 extension codes of 64 characters are accepted.",
        _largest,
    ),
    Check("schemas", "A payload of any published schema is accepted, not only of the current one.", _schemas),
    Check(
        "tolerance",
        "A timestamp may differ from the License Server's clock by up to 5 minutes, in either direction.",
        _tolerance,
    ),
    Check(
        "several-signatures",
        "`X-Telemetry-Signature` is a list separated by spaces, and a list of correct signatures is accepted.",
        _several_signatures,
    ),
    Check(
        "other-headers",
        "Headers that this page does not list change nothing: a proxy may add some.",
        _other_headers,
    ),
    Check(
        "ping-no-trace",
        "A connection test leaves no trace: its ID can still be that of a transmission.",
        _ping_leaves_no_trace,
    ),
)

AT_THE_END = (
    Check(
        "only-200",
        "An acceptance has the status `200`: with any other 2xx, nothing counts as accepted.",
        _conforming_2xx,
    ),
)
