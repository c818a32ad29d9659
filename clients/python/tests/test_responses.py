"""What the reporter does with each response, and with none: what is dropped, what is repeated, and when."""

import logging
import time
from pathlib import Path

import pytest

from clients.python.tests.support import BOUNCER, ONE, accept, in_turn, patient, problem, refused, sent
from control_core_telemetry_reporter import Reporter, backoff
from tests.support import faults
from tests.support.each import each
from tests.support.fault_server import FaultServer, Mode, Visit
from tests.support.faults import reply, response

REPEATED: dict[str, tuple[Mode, str]] = {
    "token refused": (reply(401, problem("unauthenticated")), "unauthenticated"),
    "scope missing": (reply(403, problem("forbidden", retryable=False)), "forbidden"),
    "a page instead": (reply(200, b"<html>log in</html>"), "not_the_service"),
    "other numbers": (reply(200, b'{"accepted": 5, "duplicates": 0}'), "not_the_service"),
    "numbers of another kind": (reply(200, b'{"accepted": true, "duplicates": 0}'), "not_the_service"),
    "redirect": (reply(302, b"", [("Location", "https://127.0.0.1:9/")]), "status_302"),
    "not found": (reply(404, problem("not-found")), "not-found"),
    "somebody else's 422": (reply(422, b'{"type": "about:blank"}'), "status_422"),
    "somebody else's 400": (reply(400, b"[]"), "status_400"),
    "timeout there": (reply(408, problem("request-timeout")), "request-timeout"),
    "too many": (reply(429, b""), "status_429"),
    "said to be repeatable": (reply(422, problem("odd", retryable=True)), "odd"),
    "error": (reply(500, b""), "status_500"),
    "bad gateway": (reply(502, b"<html>"), "status_502"),
    "unavailable": (reply(503, problem("storage-unavailable")), "storage-unavailable"),
    "full": (reply(507, problem("storage-full")), "storage-full"),
    "not HTTP": (faults.garbage, "not_http"),
    "no word": (faults.die_after_reading, "connection_lost"),
    "half a body": (faults.die_in_the_body, "connection_lost"),
    "reset": (faults.reset_after_reading, "connection_lost"),
    "reset before reading": (faults.reset_before_reading, "connection_lost"),
    "too long": (faults.endless_body, "response_too_large"),
    "hung up": (faults.hang_up_at_once, "tls_failed"),
    "expired": (faults.certificate_expired, "tls_failed"),
    "another host": (faults.certificate_of_another_host, "tls_failed"),
    "unknown authority": (faults.certificate_of_unknown_authority, "tls_failed"),
    "old TLS": (faults.tls_1_1_only, "tls_failed"),
}

HANGING: dict[str, Mode] = {
    "at TLS": faults.hang_at_tls,
    "within TLS": faults.hang_within_tls,
    "before the headers": faults.hang_before_headers,
    "in the body": faults.hang_mid_body,
    "a byte now and then": faults.trickle_the_body,
    "interim responses": faults.trickle_interim_responses,
}


@each("name", REPEATED)
def test_whatever_is_no_verdict_of_the_service_is_repeated_with_the_same_ids(tmp_path: Path, name: str) -> None:
    mode, trouble = REPEATED[name]
    spool = tmp_path / name
    with FaultServer(tmp_path, mode) as server, patient(server, spool) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush(), name
        assert (reporter.statistics.trouble, reporter.statistics.failures) == (trouble, 1)
        reporter.count(BOUNCER, "production", **ONE)
        arrived = len(server.requests)
        server.mode = accept
        assert reporter.flush(), name
        assert (reporter.statistics.trouble, reporter.statistics.failures) == (None, 0)
        repeated, new = sent(server)[arrived:]
        assert [first == repeated for first in sent(server)[:arrived]] == [True] * arrived
        assert repeated[0]["report_id"] < new[0]["report_id"], "the new counts are a report of their own"
        assert refused(spool) == []
        assert [request.path for request in server.requests] == ["/api/v1/usage"] * (arrived + 2)


@each("name", HANGING)
def test_an_exchange_ends_in_time_however_the_server_hangs(tmp_path: Path, name: str) -> None:
    server = FaultServer(tmp_path, HANGING[name])
    with server, patient(server, tmp_path / name, timeout_seconds=0.3) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush()
        assert reporter.statistics.trouble == "timeout"
        server.mode = accept


def test_closing_does_not_wait_for_a_server_that_hangs(server: FaultServer, spool: Path) -> None:
    server.mode = faults.hang_before_headers
    reporter = patient(server, spool, timeout_seconds=3)
    reporter.count(BOUNCER, "production", **ONE)
    assert not reporter.flush(0.2)
    reporter.count(BOUNCER, "production", **ONE)
    begun = time.monotonic()
    assert not reporter.close(0.2)
    assert time.monotonic() - begun < 2.5
    # The thread gives up the spool when its last exchange has ended; the next reporter sends all of it.
    server.mode = accept
    while list(spool.glob("*.spool")):
        with patient(server, spool) as following:
            following.flush()
    counted = {report["report_id"]: report["audit_events"] for request in sent(server) for report in request}
    assert sum(counted.values()) == 6


def test_a_request_without_a_server_is_repeated_and_reported_as_never_sent(server: FaultServer, spool: Path) -> None:
    server.refuse()
    with patient(server, spool) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush()
        assert reporter.statistics.trouble == "no_connection"
        server.mode = accept
        server.listen()
        assert reporter.flush()


def test_reports_that_the_service_lists_are_set_aside_and_the_rest_is_sent(server: FaultServer, spool: Path) -> None:
    def refuse_two(visit: Visit) -> None:
        visit.secure()
        first, second, *_ = (str(report["report_id"]) for report in sent_by(visit))
        errors: list[dict[str, object]] = [
            {"field": "reports[1].audit_events", "problem": "must be smaller", "index": 1, "report_id": second},
            {"field": "reports[0]", "problem": "is odd"},  # As before there were the other two.
            {"field": "body", "problem": "another kind"},
        ]
        assert first != second
        visit.send(response(422, problem("input-invalid", errors, retryable=False)))

    server.mode = in_turn(refuse_two, accept)
    with patient(server, spool) as reporter:
        for number in range(5):
            reporter.count(f"bnc-{number}", "production", audit_events=number)
        assert reporter.flush()
        assert (reporter.statistics.accepted, reporter.statistics.set_aside) == (3, 2)
    whole, rest = sent(server)
    assert rest == whole[2:]
    assert {line["report_id"]: line["reason"] for line in refused(spool)} == {
        whole[0]["report_id"]: "reports[0]: is odd",
        whole[1]["report_id"]: "reports[1].audit_events: must be smaller",
    }
    assert refused(spool)[0].keys() == {"at", "reason", *whole[0]}


def test_one_refused_report_is_found_among_others_if_the_service_does_not_name_it(
    server: FaultServer, spool: Path
) -> None:
    def refuse_the_third(visit: Visit) -> None:
        visit.secure()
        reports = sent_by(visit)
        if any(report["bouncer_id"] == "bnc-3" for report in reports):
            visit.send(response(400, problem("body-malformed")))
        else:
            visit.send(response(200, b'{"accepted": %d, "duplicates": 0}' % len(reports)))

    server.mode = refuse_the_third
    with patient(server, spool) as reporter:
        for number in range(16):
            reporter.count(f"bnc-{number}", "production", audit_events=number)
        assert reporter.flush()
        assert (reporter.statistics.accepted, reporter.statistics.set_aside) == (15, 1)
    assert [(line["bouncer_id"], line["reason"]) for line in refused(spool)] == [("bnc-3", "body-malformed")]
    assert len(server.requests) <= 2 * 5 + 1, "halves of halves, and not one by one"


def test_a_request_that_is_too_large_is_sent_in_parts(server: FaultServer, spool: Path) -> None:
    def take_three(visit: Visit) -> None:
        visit.secure()
        reports = sent_by(visit)
        if len(reports) > 3:
            visit.send(response(413, b"<html>nginx</html>"))
        else:
            visit.send(response(200, b'{"accepted": %d, "duplicates": 0}' % len(reports)))

    server.mode = take_three
    with patient(server, spool) as reporter:
        for number in range(10):
            reporter.count(f"bnc-{number}", "production", audit_events=number)
        assert reporter.flush()
        assert reporter.statistics.accepted == 10
        server.mode = faults.respond_without_reading
        reporter.count(BOUNCER, "production", **ONE)
        assert reporter.flush()
        assert reporter.statistics.set_aside == 1


def test_what_there_is_no_room_for_waits_and_its_bouncer_adds_up_meanwhile(server: FaultServer, spool: Path) -> None:
    def no_room_for_the_first(visit: Visit) -> None:
        visit.secure()
        reports = sent_by(visit)
        if full and any(report["bouncer_id"] == "bnc-0" for report in reports):
            visit.send(
                response(409, problem("too-many-bouncers", [{"field": "reports[0].bouncer_id", "problem": "x"}]))
            )
        else:
            visit.send(response(200, b'{"accepted": %d, "duplicates": 0}' % len(reports)))

    full = True
    server.mode = no_room_for_the_first
    with patient(server, spool) as reporter:
        for _ in range(3):
            for number in range(3):
                reporter.count(f"bnc-{number}", "production", audit_events=1)
            assert not reporter.flush()
        assert (reporter.statistics.trouble, reporter.statistics.held) == ("too-many-bouncers", 1)
        assert reporter.statistics.accepted == 6
        full = False
        while not reporter.flush():
            time.sleep(0.05)
    of_first = {report["report_id"]: report for request in sent(server) for report in request}
    assert [report["audit_events"] for report in of_first.values() if report["bouncer_id"] == "bnc-0"] == [1, 2]


def test_a_proxy_that_closes_no_connection_and_a_chunked_response_are_understood(
    server: FaultServer, spool: Path
) -> None:
    def keep_open(visit: Visit) -> None:
        visit.secure()
        sent_by(visit)
        visit.send(response(200, b'{"accepted": 1, "duplicates": 0}'))
        visit.hang()

    chunked = (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"accepted": 1, "duplicates": 0}\r\n0\r\n\r\n'
    )
    with patient(server, spool) as reporter:
        for mode in (keep_open, faults.reply_raw(chunked)):
            server.mode = mode
            reporter.count(BOUNCER, "production", **ONE)
            assert reporter.flush()


def test_the_delay_grows_at_random_and_follows_retry_after() -> None:
    assert all(0.5 <= backoff.delay(1) <= 1 for _ in range(20))
    assert 150 <= backoff.delay(1_000) <= 300
    assert len({backoff.delay(5) for _ in range(5)}) > 1
    now = 1_800_000_000.0
    said = {
        "120": 120,
        " 7 ": 7,
        "999999": 3600,
        "Fri, 15 Jan 2027 08:00:30 GMT": 30,
        "Fri, 15 Jan 2021 08:00:30 GMT": 0,
        "soon": 0,
        "-5": 0,
        "٣": 0,
    }
    assert {value: backoff.retry_after(value, now) for value in said} == said
    assert backoff.retry_after(None, now) == 0


@each("status", [429, 503])
def test_a_busy_service_is_left_alone_for_as_long_as_it_asks(tmp_path: Path, status: int) -> None:
    server = FaultServer(tmp_path, reply(status, b"", [("Retry-After", "3600")]))
    with server, patient(server, tmp_path / f"{status}", flush_seconds=0.01, send_seconds=0.01) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        while not reporter.statistics.failures:
            time.sleep(0.01)
        time.sleep(1.2)
        assert len(server.requests) == 1
        server.mode = accept
        assert reporter.flush(), "unless somebody asks for it"


def test_the_log_says_what_is_wrong_once_and_no_secret(
    server: FaultServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with patient(server, spool) as reporter:
        for mode in (*[faults.echo("token-of-the-test")] * 3, reply(401, b"token-of-the-test"), accept):
            server.mode = mode
            reporter.count(BOUNCER, "production", **ONE)
            reporter.flush()
        reporter.count(BOUNCER, "nowhere", **ONE)
        reporter.flush()
    said = [(record.levelname, record.getMessage()) for record in caplog.records if "telemetry_reporter" in record.name]
    assert said == [
        ("WARNING", "telemetry is not being reported (status_500); waiting: 1"),
        ("ERROR", "telemetry is not being reported (status_401); waiting: 2"),
        ("INFO", "telemetry is being reported again"),
        ("ERROR", "telemetry was lost: 1 calls dropped, 0 reports set aside, 0 spool files damaged"),
    ]


@pytest.mark.parametrize("fails", [True, False])
def test_a_function_for_the_token_may_fail_and_may_return_another_one(
    server: FaultServer,
    spool: Path,
    fails: bool,  # noqa: FBT001 - a case
) -> None:
    token = "first"

    def present() -> str:
        if fails and token == "first":
            raise LookupError("no token yet")
        return token

    server.mode = accept
    reporter = Reporter(server.url, present, spool, ca_file=server.ca_pem_path, send_seconds=60)
    reporter.count(BOUNCER, "production", **ONE)
    assert reporter.flush() is not fails
    assert reporter.statistics.trouble == ("no_token" if fails else None)
    token = "second"
    reporter.count(BOUNCER, "production", **ONE)
    assert reporter.close()
    assert server.requests[-1].headers["authorization"] == "Bearer second"


def sent_by(visit: Visit) -> list[dict[str, object]]:
    visit.read_request()
    return sent(visit.server)[-1]
