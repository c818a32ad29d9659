"""Every status has the outcome that the guide's table of states gives it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.outcome import Accepted, Held, Outcome, Rejected, Retrying
from telemetry_service.domain.transmissions import cause_of
from tests.license_server.conftest import LONGER
from tests.support import faults
from tests.support.each import each
from tests.support.fault_server import FaultServer

Transmit = Callable[..., Outcome]


@each(
    ("status", "cause"),
    [
        (408, Cause.BUSY),
        (425, Cause.BUSY),
        (429, Cause.BUSY),
        (503, Cause.BUSY),
        *((status, Cause.SERVER_ERROR) for status in (500, 501, 502, 504, 507, 511, *range(520, 531), 599)),
        # No status of HTTP: a client takes it for a 5xx (RFC 9110, section 15).
        (600, Cause.SERVER_ERROR),
        (999, Cause.SERVER_ERROR),
    ],
)
def test_a_passing_failure_is_retried(server: FaultServer, transmit: Transmit, status: int, cause: Cause) -> None:
    server.mode = faults.reply(status)
    assert transmit() == Retrying(cause, status)


@pytest.mark.parametrize(("status", "cause"), [(401, Cause.API_KEY_NOT_ACCEPTED), (403, Cause.FORBIDDEN)])
def test_a_refused_key_is_held(server: FaultServer, transmit: Transmit, status: int, cause: Cause) -> None:
    server.mode = faults.reply(status)
    assert transmit() == Held(cause, status)


MISMATCH = b'{"type":"urn:control-core:license-server:customer-mismatch","status":403}'
PROBLEM = [("Content-Type", "application/problem+json")]


@each(
    ("body", "headers", "refused"),
    [
        (MISMATCH, PROBLEM, True),
        (MISMATCH, [("Content-Type", "Application/Problem+JSON; charset=utf-8")], True),
        (b"", [], False),
        (MISMATCH, [("Content-Type", "text/html")], False),
        (MISMATCH, [*PROBLEM, ("Content-Encoding", "br")], False),
        (b'{"type":"urn:control-core:license-server:key-unknown"}', PROBLEM, False),
        (b'{"type":"customer-mismatch"}', PROBLEM, False),
        (MISMATCH[:-1] + b',"type":"about:blank"}', PROBLEM, False),
        (MISMATCH[:-9], PROBLEM, False),
        (b"[]", PROBLEM, False),
        (b" " * 70_000 + MISMATCH, PROBLEM, False),
    ],
)
def test_a_403_refuses_the_customer_only_if_the_license_server_says_so(
    server: FaultServer, transmit: Transmit, body: bytes, headers: list[tuple[str, str]], *, refused: bool
) -> None:
    server.mode = faults.reply(403, body, headers)
    assert transmit() == Held(Cause.FORBIDDEN, 403, customer_refused=refused)


def test_a_403_that_never_ends_is_a_403(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.forbid_and_wait
    assert transmit(LONGER) == Held(Cause.FORBIDDEN, 403)


@each(
    ("status", "cause"),
    [
        (400, Cause.PAYLOAD_REFUSED),
        (404, Cause.NOT_FOUND),
        (405, Cause.NOT_FOUND),
        (409, Cause.ID_CONFLICT),
        (411, Cause.PAYLOAD_REFUSED),
        (413, Cause.PAYLOAD_REFUSED),
        (415, Cause.PAYLOAD_REFUSED),
        (422, Cause.PAYLOAD_REFUSED),
        (402, Cause.UNEXPECTED_STATUS),
        (407, Cause.UNEXPECTED_STATUS),
        (418, Cause.UNEXPECTED_STATUS),
    ],
)
def test_a_refusal_is_rejected(server: FaultServer, transmit: Transmit, status: int, cause: Cause) -> None:
    server.mode = faults.reply(status)
    assert transmit() == Rejected(cause, status)


@each("status", [201, 202, 203, 204, 205, 206, 226, 299])
def test_a_2xx_that_is_not_200_is_no_acceptance_whatever_it_says(
    server: FaultServer, transmit: Transmit, status: int
) -> None:
    server.mode = faults.accept_as(status)
    assert transmit() == Rejected(Cause.RESPONSE_MALFORMED, status)


def test_an_endless_refusal_is_a_refusal_because_its_body_is_not_read(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.refuse_endlessly
    assert transmit() == Rejected(Cause.PAYLOAD_REFUSED, 422)


@each(
    ("value", "wish"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        ("Sun, 15 Nov 2026 02:13:17 GMT", timedelta(minutes=10)),
        ("Sun, 15 Nov 2020 02:13:17 GMT", timedelta(0)),
        ("-5", None),
        ("soon", None),
    ],
)
def test_the_servers_wish_for_a_pause_is_passed_on(
    server: FaultServer, transmit: Transmit, value: str, wish: timedelta | None
) -> None:
    server.mode = faults.reply(503, headers=[("Retry-After", value)])
    assert transmit() == Retrying(Cause.BUSY, 503, wish)


def test_a_real_server_accepts(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.accept
    assert transmit() == Accepted(200, duplicate=False)


NEAR = "Sat, 15 Nov 2025 02:07:00 GMT"
FAR = "Sat, 15 Nov 2025 02:09:00 GMT"
"""The message's timestamp is 02:03:17."""


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refusal_by_a_server_whose_clock_is_far_from_ours_names_the_clock(
    server: FaultServer, transmit: Transmit, status: int
) -> None:
    server.mode = faults.reply(status)
    blamed_without_a_date = transmit()
    server.mode = faults.reply(status, headers=[("Date", NEAR)])
    assert transmit() == blamed_without_a_date
    server.mode = faults.reply(status, headers=[("Date", FAR)])
    outcome = transmit()
    assert type(outcome) is type(blamed_without_a_date)
    assert cause_of(outcome) is Cause.CLOCK_WRONG


def test_a_date_that_is_none_blames_nothing_on_the_clock(server: FaultServer, transmit: Transmit) -> None:
    server.mode = faults.reply(400, headers=[("Date", "yesterday")])
    assert transmit() == Rejected(Cause.PAYLOAD_REFUSED, 400)
