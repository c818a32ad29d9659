"""What must hold of every response, whatever it responds to. These checks come last and look at all exchanges."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus

from telemetry_service.conformance.check import Check, Finding, NotChecked
from telemetry_service.conformance.problems import CODES
from telemetry_service.conformance.refusals import SECRET_WORDS
from telemetry_service.conformance.responses import got
from telemetry_service.conformance.session import Exchanged, Session
from telemetry_service.domain.causes import Cause
from telemetry_service.license_server.exchange import WholeResponse
from telemetry_service.license_server.response import CLOCK_TOLERANCE, PROBLEM_MEDIA_TYPE
from telemetry_service.license_server.retry_after import parse_http_date, parse_retry_after
from telemetry_service.sealing.identity import pseudonym

_TYPE = re.compile(r"urn:control-core:license-server:([a-z0-9-]+)")
_REFUSALS = range(400, 500)
_TO_WAIT = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def _responses(session: Session) -> Iterator[tuple[Exchanged, WholeResponse]]:
    for exchanged in session.exchanged:
        if not isinstance(exchanged.response, Cause):
            yield exchanged, exchanged.response


def _each(problem_of: Callable[[Session, Exchanged, WholeResponse], str | None]) -> Callable[[Session], Finding]:
    """Return a check that looks at each response, and reports the first problem."""

    def run(session: Session) -> Finding:
        if not session.exchanged:
            return NotChecked("Nothing was sent.")
        problems = (problem_of(session, *pair) for pair in _responses(session))
        return next((problem for problem in problems if problem is not None), None)

    return run


def _problem(_session: Session, exchanged: Exchanged, response: WholeResponse) -> str | None:
    if response.status not in _REFUSALS:
        return None
    media_type = (response.header("Content-Type") or "").partition(";")[0].strip().lower()
    if media_type != PROBLEM_MEDIA_TYPE:
        return f"The Content-Type of a {response.status} is {media_type or 'missing'}."
    return _members_problem(exchanged, response.status)


def _members_problem(exchanged: Exchanged, status: int) -> str | None:
    members = exchanged.members
    named = _TYPE.fullmatch(str(members.get("type")))
    if named is None:
        return f"The type of a {status} is {str(members.get('type'))[:80]!r}."
    if CODES.get(named[1]) not in {status, None}:
        return f"The code {named[1]} belongs to {CODES[named[1]]}, not to {status}."
    return None if members.get("status") == status else f"status in the body of a {status} is {members.get('status')}."


def _quotes_nothing(session: Session, _exchanged: Exchanged, response: WholeResponse) -> str | None:
    if response.status not in _REFUSALS:
        return None
    customer = session.customer
    named = (customer.api_key, customer.customer_id, pseudonym(customer.api_key, customer.customer_id))
    found = any(word.encode() in response.body for word in (*named, *SECRET_WORDS))
    return f"A {response.status} repeats a value of the request." if found else None


def _redirect(_session: Session, _exchanged: Exchanged, response: WholeResponse) -> str | None:
    return f"A response is a redirect ({response.status})." if 300 <= response.status < 400 else None  # noqa: PLR2004


def _coding(_session: Session, _exchanged: Exchanged, response: WholeResponse) -> str | None:
    coding = response.header("Content-Encoding") or "identity"
    return None if coding.lower() == "identity" else f"A response has the Content-Encoding {coding[:40]}."


def _date(_session: Session, exchanged: Exchanged, response: WholeResponse) -> str | None:
    date = response.header("Date")
    moment = parse_http_date(date or "")
    if moment is None:
        return "A response has no Date." if date is None else f"A response has the Date {date[:40]!r}."
    apart = abs(moment - exchanged.at)
    if apart <= CLOCK_TOLERANCE:
        return None
    return f"The clocks differ by {timedelta(seconds=int(apart.total_seconds()))}: yours, or that of this machine."


def _retry_after(session: Session) -> Finding:
    asked = [(it, response) for it, response in _responses(session) if response.status in _TO_WAIT]
    if not asked:
        return NotChecked("No response was a 429 or a 503.")
    wrong = [it for it, response in asked if parse_retry_after(response.header("Retry-After"), it.at) is None]
    return f"{got(wrong[0])} without a Retry-After that can be read." if wrong else None


def _responds(session: Session) -> Finding:
    if not session.exchanged:
        return NotChecked("Nothing was sent.")
    silent = [it for it in session.exchanged if isinstance(it.response, Cause)]
    return f"{len(silent)} of {len(session.exchanged)} requests got {got(silent[0])}" if silent else None


CHECKS = (
    Check(
        "responds",
        "Every request gets a complete response within 30 seconds and 64 KiB, headers included, over verified TLS 1.2"
        " or newer.",
        _responds,
    ),
    Check("no-redirect", "No address of the protocol redirects: the service follows no redirect.", _each(_redirect)),
    Check("no-compression", "A response is not compressed: the service asks for `identity`.", _each(_coding)),
    Check(
        "date",
        "A response has a `Date` of the License Server's clock: it shows the service whose clock is wrong.",
        _each(_date),
    ),
    Check(
        "problem",
        "A refusal is `application/problem+json` with `type` `urn:control-core:license-server:` and a code, and with"
        " its `status`.",
        _each(_problem),
    ),
    Check("problem-quotes-nothing", "No refusal repeats a value of the request.", _each(_quotes_nothing)),
    Check(
        "retry-after",
        "A `429` or a `503` says in `Retry-After` how long to wait: seconds, or an HTTP date.",
        _retry_after,
    ),
)
