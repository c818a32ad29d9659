"""Every situation that the decision table can meet, as the product of all its inputs.

The troubleshooting page takes its examples from them: what comes first says most.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.obstacles import Setup
from telemetry_service.domain.release import NewField, Release, ReleasePolicy
from telemetry_service.domain.situation import Run, Situation, Waiting
from telemetry_service.domain.source import Begun, Cursor, Obstacle, SourceState
from telemetry_service.domain.source_errors import SourceError
from telemetry_service.domain.transmission_texts import Row
from telemetry_service.domain.transmissions import LastExchange, State
from telemetry_service.domain.verification import LedgerState

NOW = datetime(2026, 11, 20, 2, 0, 30, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
COMPLETE = Setup(enabled=True, locked=False, api_key=True, api_key_usable=True, license_server=True, customer_id=True)

SETUPS = tuple(
    Setup(on and not locked, locked, key, usable, server, customer)
    for on, locked in ((True, False), (False, False), (False, True))
    for key, usable in ((True, True), (False, True), (True, False))
    for server in (True, False)
    for customer in (True, False)
)
IN_BUNDLES = tuple(replace(setup, in_bundles=True) for setup in SETUPS if setup.license_server)
"""Payloads leave in bundles; then there is no exchange."""
RESTORED = (replace(COMPLETE, restored=True), replace(COMPLETE, restored=True, in_bundles=True))
UNREADABLE = (replace(COMPLETE, unreadable=("license_posture.tier",)),)
"""Someone has written into a row that everything needs."""
CHANGED = (
    replace(COMPLETE, changed=(ChangedRow.SETTINGS,)),
    replace(COMPLETE, enabled=False, changed=tuple(ChangedRow)),
)
EXCHANGES = (
    LastExchange(NOW - MINUTE, ok=True, cause=None, sequence=3),
    None,
    LastExchange(NOW - MINUTE, ok=False, cause=Cause.BUSY, sequence=3),
    LastExchange(NOW - MINUTE, ok=False, cause=Cause.API_KEY_NOT_ACCEPTED, sequence=3),
)
ACCEPTED = (NOW - MINUTE, NOW - 9 * DAY, NOW - 40 * DAY, None)
WAITING = (
    Waiting(),
    Waiting(planned=1, next_attempt_at=NOW + MINUTE),
    Waiting(planned=2, next_attempt_at=NOW - DAY),
    Waiting(planned=1),
    Waiting(held=1),
    Waiting(held=1, payload_changed=1),
    Waiting(rejected=3),
    Waiting(planned=1, held=2, rejected=3, next_attempt_at=NOW + 5 * MINUTE),
    Waiting(exported=2),
    Waiting(planned=1, held=2, exported=3, next_attempt_at=NOW + 5 * MINUTE),
)
RELEASES: tuple[dict[str, Any], ...] = (
    {"waiting": Waiting(awaiting_release=1, awaiting_since=NOW - DAY), "release": ReleasePolicy(Release.MANUAL)},
    {"waiting": Waiting(awaiting_release=2, awaiting_since=NOW - 40 * DAY), "release": ReleasePolicy(Release.MANUAL)},
    {
        "waiting": Waiting(planned=1, awaiting_release=1, awaiting_since=NOW - DAY, next_attempt_at=NOW + MINUTE),
        "new_field": NewField(("policy_count",), NOW + 2 * DAY),
    },
    {
        "waiting": Waiting(held=1, awaiting_release=1, awaiting_since=NOW - DAY, awaiting_until=NOW + 2 * DAY),
        "new_field": NewField(("policy_count",), NOW + 2 * DAY),
    },
    {
        "waiting": Waiting(awaiting_release=1, awaiting_since=NOW - DAY, awaiting_until=NOW + 2 * DAY),
        "new_field": NewField(("policy_count",), NOW + 2 * DAY),
    },
    {"new_field": NewField(("policy_count", "tier"), None), "release": ReleasePolicy(approve_fields=True)},
    {"waiting": Waiting(receipt_missing=1)},
    {"receipt_unverified": True},
)
"""What a person has to decide on, apart from everything above."""
RUNS = (
    Run(NOW - 5 * DAY, "prepared", of_open_period=False, accepted_since=True),
    None,
    Run(NOW - 5 * DAY, "api_key_missing", of_open_period=True, accepted_since=False),
    Run(NOW - 5 * DAY, "api_key_missing", of_open_period=False, accepted_since=False),
    Run(NOW - 5 * DAY, "payload-contradiction", of_open_period=True, accepted_since=False),
)
LEDGERS = (
    LedgerState(NOW - MINUTE, problems=2),
    LedgerState(NOW - MINUTE, receipts_missing=1),
    LedgerState(NOW - MINUTE, key_lost=True),
    LedgerState(NOW - MINUTE, overdue_since=NOW - 2 * DAY),
)
NO_OBSTACLE = SourceState(7, Begun(Cursor(7), 1, NOW - 9 * DAY), 7, NOW, None, NOW, None, 0, None)
SOURCES = (
    *(
        replace(NO_OBSTACLE, obstacle=Obstacle(kind.code, kind.sentence, NOW - DAY))
        for kind in SourceError.__subclasses__()
    ),
    replace(NO_OBSTACLE, complete_until=NOW - timedelta(hours=3)),
    replace(NO_OBSTACLE, shared=3, shared_example="bnc-7"),
    replace(NO_OBSTACLE, obstacle=Obstacle("source-away", "It is away.", NOW - MINUTE)),
)
"""What may be said of the Control Plane's own database."""
NEXT_RUNS = (NOW + 11 * DAY, NOW + 2 * MINUTE, NOW - 2 * DAY)


def situations() -> Iterator[Situation]:
    """Yield every combination."""
    for setup, exchange, accepted, waiting, run, next_run in itertools.product(
        (*SETUPS, *IN_BUNDLES, *RESTORED, *UNREADABLE), EXCHANGES, ACCEPTED, WAITING, RUNS, NEXT_RUNS
    ):
        if setup.in_bundles and exchange is not None:
            continue
        situation = Situation(
            now=NOW,
            setup=setup,
            reportable=setup.enabled,
            exchange=exchange,
            last_accepted_at=accepted,
            waiting=waiting,
            run=run,
            next_run_at=next_run,
            send_offset=3 * MINUTE,
            longest_wait=timedelta(hours=6),
        )
        yield situation
        if (run, next_run) == (RUNS[0], NEXT_RUNS[0]):  # What the ledger says does not depend on them.
            yield from (replace(situation, ledger=ledger) for ledger in LEDGERS)
            if setup == COMPLETE:
                yield from (replace(situation, setup=it, reportable=it.enabled) for it in CHANGED)
    yield from _with_decisions()
    yield from _with_sources()


def _with_sources() -> Iterator[Situation]:
    for accepted, source in itertools.product(ACCEPTED, SOURCES):
        yield Situation(
            now=NOW,
            setup=COMPLETE,
            reportable=True,
            exchange=EXCHANGES[0],
            last_accepted_at=accepted,
            waiting=Waiting(),
            run=RUNS[0],
            next_run_at=NEXT_RUNS[0],
            send_offset=3 * MINUTE,
            longest_wait=timedelta(hours=6),
            source=source,
        )


def _with_decisions() -> Iterator[Situation]:
    for setup, exchange, accepted, decision in itertools.product(SETUPS, EXCHANGES, ACCEPTED, RELEASES):
        yield Situation(
            **{
                "now": NOW,
                "setup": setup,
                "reportable": setup.enabled,
                "exchange": exchange,
                "last_accepted_at": accepted,
                "waiting": Waiting(),
                "run": RUNS[0],
                "next_run_at": NEXT_RUNS[0],
                "send_offset": 3 * MINUTE,
                "longest_wait": timedelta(hours=6),
                **decision,
            }
        )


def rows_of(waiting: Waiting) -> Iterator[Row]:
    """Yield one transmission of each kind that such a number of waiting ones is made of."""
    if waiting.planned:
        for state in (State.PENDING, State.RETRYING, State.HELD, State.REJECTED):
            cause = None if state is State.PENDING else Cause.BUSY
            yield Row(state, cause, waiting.next_attempt_at, claimed=waiting.next_attempt_at is None)
    if waiting.held > waiting.payload_changed:
        yield Row(State.HELD, Cause.FORBIDDEN, None, claimed=False)
    if waiting.payload_changed:
        yield Row(State.HELD, Cause.PAYLOAD_CHANGED, None, claimed=False)
    if waiting.receipt_missing:
        yield Row(State.HELD, Cause.RECEIPT_MISSING, None, claimed=False)
    if waiting.awaiting_release:
        yield Row(State.AWAITING_RELEASE, None, None, claimed=False)
    if waiting.awaiting_until:
        yield Row(State.AWAITING_RELEASE, None, waiting.awaiting_until, claimed=False)
    yield Row(State.WITHDRAWN, Cause.FORBIDDEN, None, claimed=False)
    if waiting.rejected:
        yield Row(State.REJECTED, Cause.PAYLOAD_REFUSED, None, claimed=False)
    if waiting.exported:
        yield Row(State.EXPORTED, None, None, claimed=False)
    yield Row(State.SUCCESS, None, None, claimed=False)
