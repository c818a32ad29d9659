"""The decision table: over every situation no two of its words contradict each other."""

import functools
import re
from collections.abc import Callable, Iterator

import pytest

from telemetry_service.domain.health import availability
from telemetry_service.domain.obstacles import LOCKED_OFF, OFF
from telemetry_service.domain.owner import NOTHING_TO_DO, Owner
from telemetry_service.domain.payload import HealthStatus, TelemetryAvailability
from telemetry_service.domain.phrases import to_the_minute
from telemetry_service.domain.release import Release
from telemetry_service.domain.situation import Situation
from telemetry_service.domain.transmission_texts import RowStatus, TransmissionTexts, texts_of
from telemetry_service.domain.verdict import ConnectionBadge, Verdict, judge
from tests.support.situations import rows_of, situations

_MOMENT = re.compile(r"\d+ \w{3} \d{4}, \d\d:\d\d UTC")
_PROMISES = re.compile(
    r"next attempt (in|due)|The next attempt is|retrying automatically|is starting|runs again now", re.IGNORECASE
)


@functools.cache
def promises(text: str) -> bool:
    """Whether a text promises an attempt. There are few texts, and each is in thousands of situations."""
    return _PROMISES.search(text) is not None


def texts(verdict: Verdict, rows: tuple[TransmissionTexts, ...]) -> Iterator[str]:
    """Yield every text of a verdict."""
    health = verdict.health
    yield from (health.cause, health.next_step, verdict.next_send_note, verdict.next_run_note, verdict.waiting_note)
    yield from (verdict.run_note or "", verdict.switch_note, verdict.preview_note)
    for row in rows:
        yield from (row.finer, row.note, row.next_attempt_note or "")
        if row.cause is not None:
            yield from (row.cause.sentence, row.cause.next_step)


def needs_person(situation: Situation) -> bool:
    waiting = situation.waiting
    return bool(waiting.held or waiting.rejected or waiting.receipt_missing or waiting.awaiting_release)


def says_connected_only_while_it_is(s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]) -> bool:
    works = s.setup.enabled and s.setup.api_key and s.setup.license_server and s.exchange is not None and s.exchange.ok
    return (v.badge is ConnectionBadge.CONNECTED) <= works and (v.connected is True) == (
        v.badge is ConnectionBadge.CONNECTED
    )


def altered(s: Situation) -> bool:
    """Whether something is not as it was signed, which says nothing about the connection."""
    return bool(s.ledger.problems or s.waiting.payload_changed or s.setup.changed)


def badge_and_health_agree(s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]) -> bool:
    status = v.health.status
    if status is HealthStatus.DISABLED:
        return v.badge is ConnectionBadge.OFF
    if altered(s) or s.setup.unreadable:
        return v.badge is not ConnectionBadge.OFF
    if status is HealthStatus.UNHEALTHY:
        return v.badge is ConnectionBadge.NOT_CONNECTED
    if s.setup.in_bundles:
        return v.badge is ConnectionBadge.IN_BUNDLES
    if status in {HealthStatus.HEALTHY, HealthStatus.WARNING}:
        return v.badge is (ConnectionBadge.CONNECTED if s.exchange else ConnectionBadge.NOT_CONTACTED)
    return v.badge is not ConnectionBadge.OFF


def off_promises_nothing_before_on(s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]) -> bool:
    if s.setup.enabled:
        return True
    moments = (v.next_run_at, v.next_send_at, *(row.next_attempt_at for row in rows))
    promised = any(map(promises, texts(v, rows)))
    return not any(moments) and not promised and v.may.send_now in {OFF, LOCKED_OFF}


def retries_are_promised_only_where_one_is_planned(
    _s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]
) -> bool:
    for row in rows:
        promised = any(map(promises, (row.note, row.finer, row.cause.next_step if row.cause else "")))
        if promised and row.next_attempt_at is None:
            return False
    health = f"{v.health.cause} {v.health.next_step} {v.waiting_note}"
    return "attempt" not in health or any(row.next_attempt_at for row in rows)


def nothing_to_do_is_said_to_nobody_and_only_to_nobody(
    _s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]
) -> bool:
    steps = [(v.health.next_step, v.health.owner)]
    steps += [(row.cause.next_step, row.cause.owner) for row in rows if row.cause]
    return all(step.startswith(NOTHING_TO_DO) == (owner is Owner.NOBODY) for step, owner in steps)


def nothing_to_do_never_stands_beside_what_needs_a_person(
    s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]
) -> bool:
    if v.health.owner is not Owner.NOBODY:
        return True
    return not needs_person(s) and all(row.cause is None or row.cause.owner is Owner.NOBODY for row in rows)


def no_two_texts_name_different_next_moments(s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]) -> bool:
    """The next send is the earliest of what the rows and the schedule promise."""
    promised = [row.next_attempt_at for row in rows if row.next_attempt_at]
    if v.next_send_at is None:
        return not promised
    of_run = [v.next_run_at + s.send_offset] if v.next_run_at else []
    if s.must_be_released and not s.waiting.here:
        of_run = []  # What it prepares waits, and there is nothing else.
    elif s.run is not None and s.run.missed and v.may.send_now is None:
        of_run.append(max(s.now, s.run.due_at + s.send_offset))
    return v.next_send_at == min([*promised, *of_run])


def a_run_that_starts_now_sends_now(s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]) -> bool:
    """No text beside it says that something is sent with another run, later."""
    if not any(says in f"{v.health.cause} {v.run_note}" for says in ("is starting", "runs again now")):
        return True
    if s.setup.in_bundles:
        return v.next_send_at is None  # The run makes a payload, and the next bundle takes it.
    later = to_the_minute(s.next_run_at + s.send_offset)
    soon = v.next_send_at is not None and v.next_send_at <= s.now + s.send_offset
    return soon and (s.next_run_at <= s.now or not any(later in (row.next_attempt_note or "") for row in rows))


def notes_of_the_open_period_agree_with_what_may_be_sent(
    s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    """Preview, switch and next run say that something is sent only where it can be."""
    free = v.may.send_now is None
    contradicted = s.run is not None and s.run.contradicted
    switched = "collected and transmitted." in v.switch_note
    previewed = ("sent with the next bundle" if s.setup.in_bundles else "would be sent now") in v.preview_note
    manual = s.release.release is Release.MANUAL
    never = "never sent" in v.preview_note
    runs = v.next_run_note == ""
    at_once = free and not contradicted and not s.must_be_released
    assert ("released" in v.preview_note) == (free and not contradicted and s.must_be_released)
    return switched == (free and not manual) and previewed == at_once and never != s.setup.enabled and runs == free


def the_note_beside_the_number_waiting_names_each_of_them(
    s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    waiting, note = s.waiting, v.waiting_note
    if not waiting.total or v.may.retry is not None:
        return (note == "Nothing waiting") == (not waiting.total)
    parts = (
        (waiting.held, "on hold"),
        (waiting.rejected, "rejected"),
        (waiting.exported, "exported"),
        (waiting.receipt_missing, "without a receipt"),
        (waiting.awaiting_release, "waiting for release"),
    )
    named = all((f"{number} {word}" in note) == bool(number) for number, word in parts)
    return named and (("ext attempt" in note or "being sent" in note) == bool(waiting.planned))


def what_a_run_left_undone_is_said_until_it_is_done(
    s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    return (v.run_note is not None) == (s.run is not None and (s.run.missed or s.run.contradicted))


def unhealthy_only_if_the_latest_exchange_failed_or_something_was_changed(
    s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    failed = s.exchange is not None and not s.exchange.ok
    return (v.health.status is HealthStatus.UNHEALTHY) <= (failed or altered(s) or bool(s.setup.unreadable))


def what_was_changed_is_always_said(s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]) -> bool:
    sentences = ("as signed when the period was closed", "verification of the ledger", "as the service stored them")
    said = tuple(sentence in v.health.cause for sentence in sentences)
    return said == (bool(s.waiting.payload_changed), bool(s.ledger.problems), bool(s.setup.changed))


def an_available_installation_is_on_schedule_in_words_too(
    s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    if s.ledger.receipts_missing or s.ledger.key_lost or s.ledger.overdue_since:
        return True
    if availability(s) is not TelemetryAvailability.AVAILABLE or v.health.status is not HealthStatus.WARNING:
        return True
    if s.source is not None and v.health.code.startswith("source_"):
        return True
    decisions = {"awaiting_release", "new_field", "receipt_missing", "waiting_receipts"}
    explained = {"on_schedule", "connection_untested", "period_contradiction", "run_catching_up", "restored"}
    return v.health.code in explained | decisions


def what_is_overdue_names_a_next_step(_s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]) -> bool:
    return "Overdue" not in v.health.cause or v.health.owner is not Owner.NOBODY


def what_cannot_be_sent_is_not_being_sent(_s: Situation, v: Verdict, rows: tuple[TransmissionTexts, ...]) -> bool:
    return v.may.retry is None or not any(
        row.status is RowStatus.SENDING and row.next_attempt_at is not None for row in rows
    )


def a_row_that_waits_says_for_what(_s: Situation, _v: Verdict, rows: tuple[TransmissionTexts, ...]) -> bool:
    waits = [row for row in rows if row.status in {RowStatus.PENDING, RowStatus.WAITING, RowStatus.FAILED}]
    return all(row.note and (row.next_attempt_at is None) == (row.next_attempt_note is not None) for row in waits)


def every_text_is_whole(_s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]) -> bool:
    sentences = (
        v.health.cause,
        v.health.next_step,
        v.switch_note,
        v.preview_note,
        *((v.run_note,) if v.run_note else ()),
    )
    whole = all(t.endswith(".") and t[0].isupper() and "  " not in t and "None (" not in t for t in sentences)
    return whole and bool(v.waiting_note) and bool(v.next_send_note)


def what_shows_the_health_is_not_what_it_advises(
    _s: Situation, v: Verdict, _rows: tuple[TransmissionTexts, ...]
) -> bool:
    """``doctor`` and ``preview`` show it: to run them again would say the same again."""
    return (
        "un telemetry-service doctor" not in v.health.next_step
        and "telemetry-service preview" not in v.health.next_step
    )


RULES: tuple[Callable[[Situation, Verdict, tuple[TransmissionTexts, ...]], bool], ...] = (
    says_connected_only_while_it_is,
    badge_and_health_agree,
    off_promises_nothing_before_on,
    retries_are_promised_only_where_one_is_planned,
    nothing_to_do_is_said_to_nobody_and_only_to_nobody,
    nothing_to_do_never_stands_beside_what_needs_a_person,
    no_two_texts_name_different_next_moments,
    a_run_that_starts_now_sends_now,
    notes_of_the_open_period_agree_with_what_may_be_sent,
    the_note_beside_the_number_waiting_names_each_of_them,
    what_a_run_left_undone_is_said_until_it_is_done,
    unhealthy_only_if_the_latest_exchange_failed_or_something_was_changed,
    what_was_changed_is_always_said,
    an_available_installation_is_on_schedule_in_words_too,
    what_is_overdue_names_a_next_step,
    what_cannot_be_sent_is_not_being_sent,
    a_row_that_waits_says_for_what,
    every_text_is_whole,
    what_shows_the_health_is_not_what_it_advises,
)


@pytest.mark.long
def test_over_every_situation_no_rule_is_broken() -> None:
    walked = 0
    for situation in situations():
        verdict = judge(situation)
        rows = tuple(texts_of(row, situation) for row in rows_of(situation.waiting))
        broken = [rule.__name__ for rule in RULES if not rule(situation, verdict, rows)]
        assert not broken, (broken, situation, verdict, rows)
        walked += 1
    assert walked > 50_000
