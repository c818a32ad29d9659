"""A forked process counts on its own: nothing of its parent's is sent twice, and nothing is lost."""

import multiprocessing
import os
import signal
from pathlib import Path

from clients.python.tests.support import Service
from control_core_telemetry_reporter import Reporter


def in_child(reporter: Reporter, name: str) -> int:
    """Fork, and let the child count and end; return its exit code."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        for _ in range(100):
            reporter.count(name, "production", audit_events=1)
        code = 0 if reporter.close(60) and reporter.statistics.accepted >= 1 else 2
    finally:
        os._exit(code)


def test_parent_and_children_each_count_what_they_counted(service: Service, spool: Path) -> None:
    with service.reporter(spool, send_seconds=60) as reporter:
        for number in range(3):
            reporter.count("bnc-parent", "production", audit_events=1)  # In memory when it forks.
            assert in_child(reporter, f"bnc-child-{number}") == 0
            assert in_child(reporter, "bnc-shared") == 0
        assert reporter.flush()
    assert service.counted() == {
        "bnc-parent": (3, 0, 0),
        "bnc-shared": (300, 0, 0),
        **{f"bnc-child-{number}": (100, 0, 0) for number in range(3)},
    }


def test_a_parent_that_never_counted_leaves_its_children_nothing_to_share(service: Service, spool: Path) -> None:
    reporter = service.reporter(spool)
    assert in_child(reporter, "bnc-child") == 0
    assert reporter.statistics.accepted == 0
    assert service.counted() == {"bnc-child": (100, 0, 0)}


def test_the_spool_of_a_killed_parent_is_free_although_its_child_lives(service: Service, spool: Path) -> None:
    reader, writer = os.pipe()
    parent = multiprocessing.get_context("fork").Process(target=_count_and_fork, args=(service, spool, writer))
    parent.start()
    os.close(writer)
    child = int(os.read(reader, 20))
    parent.kill()
    parent.join()
    try:
        with service.reporter(spool, send_seconds=60) as reporter:
            assert reporter.flush()
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(reader)
    assert service.counted() == {"bnc-parent": (1, 0, 0)}


def _count_and_fork(service: Service, spool: Path, writer: int) -> None:
    reporter = service.reporter(spool, durability="process", send_seconds=60)
    reporter.count("bnc-parent", "production", audit_events=1)
    if os.fork() == 0:
        os.write(writer, str(os.getpid()).encode())
    signal.pause()
