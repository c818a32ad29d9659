"""The reporter and the real service, with a network between them that loses what it likes."""

import random
from pathlib import Path

from clients.python.tests.support import BOUNCER, ONE, Service, accept, in_turn, patient, quick, sent
from telemetry_service.identity.scopes import Scope
from tests.support import faults
from tests.support.fault_server import FaultServer, Visit
from tests.support.faults import reply
from tests.support.running import Running


def test_a_report_whose_response_was_lost_is_recognized(service: Service, server: FaultServer, spool: Path) -> None:
    def lose(visit: Visit) -> None:
        service.forward(visit)
        visit.reset()

    server.mode = in_turn(lose, lose, service.behind)
    with quick(server.url, service.token, spool, ca_file=server.ca_pem_path, send_seconds=60) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush()
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush()
        assert reporter.flush()
        assert (reporter.statistics.accepted, reporter.statistics.duplicates) == (1, 1)
    assert service.counted() == {BOUNCER: (6, 4, 2)}


def test_whatever_the_network_loses_every_event_counts_once(service: Service, server: FaultServer, spool: Path) -> None:
    draw = random.Random(10)  # noqa: S311 - the same network each time

    def be_unreliable(visit: Visit) -> None:
        fate = draw.random()
        if fate < 0.3:
            reply(503, b"")(visit)
            return
        answer = service.forward(visit)
        if fate < 0.6:
            visit.send(answer[: draw.randrange(len(answer))])
        else:
            visit.send(answer)

    server.mode = be_unreliable
    for _ in range(8):  # Restarts.
        with quick(server.url, service.token, spool, ca_file=server.ca_pem_path, send_seconds=60) as reporter:
            for number in range(10):
                reporter.count(f"bnc-{number % 3}", "production", audit_events=1)
                reporter.flush()
    server.mode = service.behind
    with quick(server.url, service.token, spool, ca_file=server.ca_pem_path) as reporter:
        assert reporter.flush()
    assert sum(events for events, _, _ in service.counted().values()) == 80
    assert list(spool.iterdir()) == []


def test_a_wrong_token_loses_nothing_until_somebody_changes_it(service: Service, spool: Path) -> None:
    token = "cct_wrong"
    reporter = quick(service.url, lambda: token, spool, send_seconds=60)
    reporter.count(BOUNCER, "production", **ONE)
    assert not reporter.flush()
    assert reporter.statistics.trouble == "unauthenticated"
    token = service.running.tokens[Scope.READ]
    assert not reporter.flush()
    assert reporter.statistics.trouble == "forbidden"
    token = service.token
    assert reporter.close()
    assert service.counted() == {BOUNCER: (3, 2, 1)}


def test_while_the_period_is_full_the_bouncers_that_fit_are_counted(sqlite_url: str, spool: Path) -> None:
    with Running(sqlite_url, environment={"TELEMETRY_MAX_BOUNCERS": "2"}) as running:
        service = Service(running)
        with service.reporter(spool, send_seconds=60) as reporter:
            for number in range(4):
                reporter.count(f"bnc-{number}", "production", **ONE)
            assert not reporter.flush()
            reporter.count("bnc-0", "production", **ONE)
            assert not reporter.flush()
            assert (reporter.statistics.trouble, reporter.statistics.held) == ("too-many-bouncers", 2)
        assert service.counted() == {"bnc-0": (6, 4, 2), "bnc-1": (3, 2, 1)}
    assert len(list(spool.glob("*.spool"))) == 1, "the others wait for the next period, in whatever process"


def test_many_bouncers_are_sent_in_several_requests(server: FaultServer, spool: Path) -> None:
    server.mode = in_turn(accept, faults.reset_after_reading, accept)
    with patient(server, spool) as reporter:
        for number in range(2_500):
            reporter.count(f"bnc-{number}", "production", audit_events=1)
        assert not reporter.flush()
        assert reporter.flush()
    first, lost, again, rest = sent(server)
    assert lost == again
    assert [len(reports) for reports in (first, again, rest)] == [1000, 1000, 500]


def test_the_reporter_says_that_telemetry_is_off(server: FaultServer, spool: Path) -> None:
    with patient(server, spool) as reporter:
        for reportable in ("false", "true"):
            server.mode = reply(200, b'{"accepted": 1, "duplicates": 0, "reportable": %s}' % reportable.encode())
            reporter.count(BOUNCER, "production", **ONE)
            assert reporter.flush()
            assert reporter.statistics.reportable is (reportable == "true")
