"""A process that is stopped while it holds the ledger's head: usage is recorded, and nothing that was sent is lost."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context

import pytest

from telemetry_service.domain.errors import LedgerBusyError
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import State
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.runtime import Failpoint
from tests.support.actors import ADMIN, CLI
from tests.support.child import await_stop
from tests.support.ledger import entries, signed_database
from tests.support.site import Site, record_call, usage

HELD_SECONDS = 3
"""Longer than a transaction waits for the head."""

_CONTEXT = get_context("forkserver")


def stop_before_the_commit(database_url: str) -> None:
    """Lock the head, write a line, and stop: what would come next is the commit."""
    database = signed_database(database_url)
    with database.read() as tx:
        now = tx.periods.open().opened_at
    with database.write() as tx:
        tx.ledger.note(now, CLI, Kind.PROVED)
        tx.ledger.flush()
        os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def stalled(database_url: str) -> Iterator[int]:
    """Give the ID of a process that holds the head and is stopped; it is ended at the end of the block."""
    process = _CONTEXT.Process(target=stop_before_the_commit, args=(database_url,), daemon=True)
    process.start()
    try:
        yield await_stop(process)
    finally:
        process.kill()
        process.join()


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    """PostgreSQL alone: on SQLite, whoever writes is the only one, whatever it writes."""
    return postgresql_url


def kinds(site: Site) -> list[Kind | None]:
    return [entry.kind for entry in entries(site.runtime.database)]


def test_usage_is_recorded_and_an_act_is_refused_whole(site: Site) -> None:
    with stalled(site.replica.database_url):
        began = time.monotonic()
        assert record_call(site.runtime, usage(events=5)).accepted == 1
        assert time.monotonic() - began < 1
        with pytest.raises(LedgerBusyError):
            remove_api_key(site.runtime, ADMIN)
        with site.runtime.database.read() as tx:
            assert tx.configuration.get().api_key is not None
        assert record_call(site.runtime, usage(events=5)).accepted == 1
    assert Kind.KEY_REMOVED not in kinds(site)
    remove_api_key(site.runtime, ADMIN)
    assert kinds(site)[-1] is Kind.KEY_REMOVED


def test_what_was_sent_is_written_as_soon_as_the_head_is_free(site: Site) -> None:
    record_call(site.runtime, usage(events=5))
    with ThreadPoolExecutor(1) as pool, ExitStack() as others:

        def stall(failpoint: Failpoint) -> None:
            if failpoint is Failpoint.SENT:
                others.enter_context(stalled(site.replica.database_url))
                pool.submit(end_after_a_while)

        def end_after_a_while() -> None:
            time.sleep(HELD_SECONDS)
            others.close()

        sender = site.open(failpoint=stall)
        began = time.monotonic()
        sent = send_now(sender, ADMIN, None).transmission
        assert time.monotonic() - began > HELD_SECONDS
    assert sent.state is State.SUCCESS
    assert kinds(site)[-3:] == [Kind.PREPARED, Kind.ATTEMPT, Kind.ANSWERED]
    assert len(site.server.journal()) == 1
