"""What JSON Schema cannot say about a request: here Schemathesis learns it, before it makes a call.

Each rule changes only what the description allows, so what it forbids is still sent as it is.
"""

import re
from collections.abc import Callable
from typing import Any

import schemathesis

from telemetry_service.domain.configuration import API_KEY_PATTERN, api_key_error
from telemetry_service.domain.facts import MAX_REPORT_COUNT
from telemetry_service.domain.release import REASON_LONGEST, reason_error
from tests.support.license_server import API_KEY

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _options: dict[str, Any]) -> None:
    """Make what contradicts itself consistent, in place."""
    body = case.body
    _write_whole(body)
    if isinstance(body, dict):
        _mend_key(body)
        _mend_reason(body)
        _mend_reports(body.get("reports"))
        _mend_bouncers(body)
    _mend_days(case.query)
    _mend_tags(case)
    _mend_person(case)


def _write_whole(value: object) -> None:
    """Write 372.0 as 372: they are equal in JSON Schema, and only the latter is a whole number here."""
    if isinstance(value, dict | list):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(member, float) and member.is_integer():
                value[name] = int(member)
            _write_whole(member)


def _mend_key(body: dict[str, Any]) -> None:
    """Replace an API key that repeats a few characters."""
    key = body.get("api_key")
    if isinstance(key, str) and re.fullmatch(API_KEY_PATTERN, key) and api_key_error(key):
        body["api_key"] = API_KEY


def _mend_reason(body: dict[str, Any]) -> None:
    """Replace a reason with invisible characters. Which those are depends on the version of Unicode."""
    reason = body.get("reason")
    if isinstance(reason, str) and 1 <= len(reason) <= REASON_LONGEST and reason_error(reason):
        body["reason"] = "Reviewed"


def _mend_reports(reports: object) -> None:
    """Let no report have more successful decisions than decisions, or more decisions than events."""
    for report in reports if isinstance(reports, list) else []:
        if isinstance(report, dict):
            _sort(report, ("successful_decisions", "policy_decisions", "audit_events"), _is_count)


def _mend_bouncers(body: dict[str, Any]) -> None:
    """Let no bouncer be registered twice in one call."""
    bouncers = body.get("bouncers")
    if isinstance(bouncers, list) and all(isinstance(one, dict) for one in bouncers):
        named = [one for one in bouncers if isinstance(one.get("bouncer_id"), str)]
        others = [one for one in bouncers if one not in named]
        body["bouncers"] = [*others, *{one["bouncer_id"]: one for one in named}.values()]


def _mend_days(query: dict[str, Any] | None) -> None:
    """Let no range of days end before it begins."""
    _sort(query or {}, ("from", "to"), _is_day)


def _mend_person(case: schemathesis.Case[Any]) -> None:
    """Ask for no one's entries: which entry a person made cannot be guessed."""
    if case.query and case.meta and case.meta.generation.mode.is_positive:
        case.query.pop("person", None)


def _sort(members: dict[str, Any], names: tuple[str, ...], is_valid: Callable[[object], bool]) -> None:
    values = [members[name] for name in names if is_valid(members.get(name))]
    if len(values) == len(names):
        members.update(zip(names, sorted(values), strict=True))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_REPORT_COUNT


def _is_day(value: object) -> bool:
    return isinstance(value, str) and _DAY.fullmatch(value) is not None


def _mend_tags(case: schemathesis.Case[Any]) -> None:
    """Match any version: it cannot be guessed. Besides, Schemathesis sends 0 where a header needs a quotation mark."""
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if "bouncer_id" in case.path_parameters:  # There may be no such bouncer, which matches nothing, or there is one.
        case.headers.pop("If-Match", None)
        case.headers.pop("If-None-Match", None)
