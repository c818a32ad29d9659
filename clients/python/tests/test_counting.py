"""Counting never raises, never waits, and loses nothing that it was given."""

import gc
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from clients.python.tests.support import BOUNCER, ONE, Service, accept, patient, sent
from control_core_telemetry_reporter import Reporter
from control_core_telemetry_reporter.tally import Tally
from tests.support.each import each
from tests.support.fault_server import FaultServer

KEY = (BOUNCER, "production")


def test_counts_of_a_bouncer_add_up_to_one_report_that_the_service_counts(service: Service, spool: Path) -> None:
    with service.reporter(spool, send_seconds=60) as reporter:
        for _ in range(100):
            reporter.count(BOUNCER, "production", **ONE)
        reporter.count("bnc-2-sbx", "sandbox", audit_events=7)
        assert reporter.flush()
        assert service.counted() == {BOUNCER: (300, 200, 100), "bnc-2-sbx": (7, 0, 0)}
        assert (reporter.statistics.accepted, reporter.statistics.waiting) == (2, 0)
        assert reporter.statistics.reportable
    assert list(spool.iterdir()) == [], "nothing is left behind that nobody needs"


def test_a_sum_that_is_too_large_for_one_report_becomes_several(server: FaultServer, spool: Path) -> None:
    server.mode = accept
    with patient(server, spool) as reporter:
        for _ in range(3):
            reporter.count(BOUNCER, "production", audit_events=10**9, policy_decisions=5 * 10**8)
        reporter.count(BOUNCER, "production", audit_events=10, policy_decisions=10, successful_decisions=10)
        assert reporter.flush()
    (reports,) = sent(server)
    names = ("audit_events", "policy_decisions", "successful_decisions")
    assert [sum(report[name] for report in reports) for name in names] == [3 * 10**9 + 10, 1_500_000_010, 10]
    for report in reports:
        assert report["successful_decisions"] <= report["policy_decisions"] <= report["audit_events"] <= 10**9


@each(
    ("bouncer_id", "environment", "counts"),
    [
        ("", "production", ONE),
        ("x" * 65, "production", ONE),
        ("with space", "production", ONE),
        ("bücher", "production", ONE),
        ("line\n", "production", ONE),
        (7, "production", ONE),
        (["list"], "production", ONE),
        (BOUNCER, "staging", ONE),
        (BOUNCER, None, ONE),
        (BOUNCER, ["list"], ONE),
        (BOUNCER, "production", {"audit_events": -1}),
        (BOUNCER, "production", {"audit_events": 10**9 + 1}),
        (BOUNCER, "production", {"audit_events": 1.0}),
        (BOUNCER, "production", {"audit_events": True}),
        (BOUNCER, "production", {"audit_events": "1"}),
        (BOUNCER, "production", {"audit_events": None}),
        (BOUNCER, "production", {"audit_events": 2, "policy_decisions": 1, "successful_decisions": 2}),
        (BOUNCER, "production", {"audit_events": 1, "policy_decisions": 2}),
    ],
)
def test_what_cannot_be_counted_is_dropped_and_said(
    tmp_path: Path,
    bouncer_id: Any,  # noqa: ANN401 - whatever a caller passes
    environment: Any,  # noqa: ANN401
    counts: dict[str, Any],
) -> None:
    for durability in ("interval", "process"):
        reporter = Reporter("http://127.0.0.1:9", "token", tmp_path / "spool", durability=durability)
        reporter.count(bouncer_id, environment, **counts)
        assert reporter.statistics.dropped == 1
        assert reporter.statistics.waiting == 0
        reporter.close(0)
        reporter.count(BOUNCER, "production", **ONE)
        assert reporter.statistics.dropped == 2, "after it was closed"


@each(
    "wrong",
    [
        {"url": "ftp://telemetry"},
        {"url": "telemetry:8080"},
        {"url": "https://user:password@telemetry"},
        {"url": "https://telemetry:port"},
        {"url": "https://telemetry/\r\nX-Header: 1"},
        {"token": ""},
        {"token": "two words"},
        {"token": "line\nbreak"},
        {"token": "schlüssel"},
        {"durability": "always"},
        {"ca_file": "/nowhere/ca.pem", "url": "https://telemetry"},
        {"send_seconds": 0},
        {"flush_seconds": float("nan")},
        {"max_bouncers": 0},
    ],
)
def test_a_mistake_in_the_configuration_is_an_error_at_once(tmp_path: Path, wrong: dict[str, Any]) -> None:
    right = {"url": "http://127.0.0.1:9", "token": "token", "spool": tmp_path}
    with pytest.raises(ValueError, match=r"."):
        Reporter(**{**right, **wrong})


def test_bouncers_beyond_the_limit_are_dropped_and_the_others_go_on(service: Service, spool: Path) -> None:
    with service.reporter(spool, max_bouncers=2, send_seconds=60) as reporter:
        for number in range(4):
            reporter.count(f"bnc-{number}", "production", audit_events=1)
            reporter.count("bnc-0", "production", audit_events=1)
        assert reporter.flush()
        assert reporter.statistics.dropped == 2
    assert service.counted() == {"bnc-0": (5, 0, 0), "bnc-1": (1, 0, 0)}


def test_threads_lose_nothing_to_each_other(service: Service, spool: Path) -> None:
    with service.reporter(spool) as reporter:

        def count() -> None:
            for _ in range(2_000):
                reporter.count(BOUNCER, "production", audit_events=1)

        threads = [Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert service.counted() == {BOUNCER: (8_000, 0, 0)}


@pytest.mark.parametrize("durability", ["interval", "process"])
def test_a_signal_handler_and_a_finalizer_may_count_in_the_middle_of_counting(
    service: Service, spool: Path, durability: str
) -> None:
    signals = 0
    finalized: list[int] = []

    def handle(*_: object) -> None:
        nonlocal signals
        signals += 1
        reporter.count(BOUNCER, "production", audit_events=1, policy_decisions=1)
        # Only now the next one, or a busy machine would be in one handler within the other for ever.
        signal.setitimer(signal.ITIMER_REAL, 0.0005)

    class Finalized:
        def __del__(self) -> None:
            reporter.count(BOUNCER, "production", audit_events=1, policy_decisions=1, successful_decisions=1)
            finalized.append(1)

    def make_garbage() -> None:
        cycle: list[object] = [Finalized()]
        cycle.append(cycle)

    with service.reporter(spool, durability=durability) as reporter:
        before = signal.signal(signal.SIGALRM, handle)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            counted = 0
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                make_garbage()
                reporter.count(BOUNCER, "production", audit_events=1)
                counted += 1
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        while len(finalized) < counted:
            gc.collect()  # It does nothing while another thread collects.
    assert service.counted() == {BOUNCER: (signals + 2 * counted, signals + counted, counted)}
    assert signals


def test_counts_that_come_while_the_lock_is_taken_are_added_later() -> None:
    tally = Tally(10)
    with tally._lock:  # noqa: SLF001 - as another thread would have it
        tally.add(KEY, (1, 0, 0))
        tally.drop()
    tally.add(KEY, (1, 1, 1))
    assert tally.dropped == 1
    assert tally.take() == {KEY: (2, 1, 1)}
    assert tally.take() == {}


def test_a_reporter_that_is_closed_twice_or_never_used_has_nothing_to_do(service: Service, spool: Path) -> None:
    unused = service.reporter(spool)
    assert unused.close()
    assert not unused.flush()
    assert not spool.exists()
    used = service.reporter(spool)
    used.count(BOUNCER, "production", **ONE)
    assert used.close()
    assert used.close()
    assert service.counted() == {BOUNCER: (3, 2, 1)}


def test_the_token_is_in_no_text_about_the_reporter(spool: Path) -> None:
    reporter = Reporter("http://127.0.0.1:9", "cct_secret", spool)
    assert "cct_secret" not in f"{reporter!r} {reporter} {reporter.statistics}"
