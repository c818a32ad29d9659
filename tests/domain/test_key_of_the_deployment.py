"""Where the deployment sets the API key, no text tells anyone to enter or save one: each names the variable instead."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.obstacles import Setup, api_key_unusable, missing, no_api_key
from telemetry_service.domain.situation import Situation, Waiting
from telemetry_service.domain.transmission_texts import Row, cause_of_check, texts_of
from telemetry_service.domain.transmissions import LastExchange, State
from telemetry_service.domain.verdict import judge
from telemetry_service.web.tab.sections.next_step import Control, checklist, controls
from tests.domain.test_verdict import texts
from tests.support.situations import CHANGED, COMPLETE, IN_BUNDLES, MINUTE, NOW, RESTORED, SETUPS

_ENTERS = re.compile(r"\b(enter|paste|replace|save|type)\b[^.]*\b(api )?key\b|save it again", re.IGNORECASE)
"""What tells someone to put in a key."""

_KEYS = tuple(replace(COMPLETE, api_key=has, api_key_usable=usable) for has, usable in ((False, True), (True, False)))


def _situations(setup: Setup) -> Iterator[Situation]:
    for cause in (None, *Cause):
        yield Situation(
            now=NOW,
            setup=replace(setup, key_locked=True),
            reportable=setup.enabled,
            exchange=None if cause is None else LastExchange(NOW - MINUTE, ok=False, cause=cause, sequence=2),
            last_accepted_at=None,
            waiting=Waiting(held=1),
            run=None,
            next_run_at=NOW + timedelta(days=3),
            send_offset=3 * MINUTE,
            longest_wait=timedelta(hours=6),
        )


def _said(situation: Situation) -> Iterator[str]:
    rows = (
        tuple(
            texts_of(Row(state, cause, planned, claimed=False), situation)
            for state, cause, planned in itertools.product(
                (State.HELD, State.REJECTED, State.AWAITING_RELEASE), (situation.exchange.cause,), (None, NOW + MINUTE)
            )
        )
        if situation.exchange
        else ()
    )
    verdict = judge(situation)
    yield from texts(verdict, rows)
    for row in rows:
        yield from (bar.text for bar in (row.retry_barred, row.release_barred) if bar)
    bar = missing(situation.setup)
    yield from (bar.text, bar.until) if bar else ()
    yield from (f"{step.word}. {step.hint}" for step in checklist(verdict))
    assert Control.ENTER_KEY not in controls(verdict, 1)


def _elsewhere() -> Iterator[str]:
    refusals: tuple[TelemetryError, ...] = (no_api_key(key_locked=True), api_key_unusable(key_locked=True))
    yield from (error.text for error in refusals)
    for cause in Cause:
        checked = cause_of_check(cause, key_locked=True)
        assert checked is not None
        yield checked.next_step


def test_no_text_asks_for_a_key_that_the_deployment_sets_without_its_variable() -> None:
    setups = (*SETUPS, *IN_BUNDLES, *RESTORED, *CHANGED, *_KEYS)
    said = {text for setup in setups for situation in _situations(setup) for text in _said(situation)}
    said |= set(_elsewhere())
    assert [text for text in said if _ENTERS.search(text) and "TELEMETRY_API_KEY" not in text] == []
    assert len([text for text in said if "TELEMETRY_API_KEY" in text]) >= 4, "and it is said"
