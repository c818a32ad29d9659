"""What a response means for the reports of its request.

Only the service itself can refuse a report, in one of its problem documents. Everything else that is not an acceptance
comes from something in between, or passes: the reports are kept.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from control_core_telemetry_reporter.exchange import Response
from control_core_telemetry_reporter.report import Report

_PROBLEM = "urn:control-core:telemetry:problem:"
_FIELD = re.compile(r"reports\[(\d+)\]", re.ASCII)
_PASSING = frozenset({408, 425, 429})
_SERVER_ERRORS = 500
_MOST_REASON = 200


@dataclass(frozen=True, slots=True)
class Accepted:
    """All reports are on disk there; a duplicate was there before."""

    accepted: int
    duplicates: int
    reportable: bool
    """False while telemetry is off: what is counted then never leaves the installation."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Reports that the service will never take, with the reason; none if it did not say which."""

    reason: str
    reports: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Reports that the open period has no room for; none if it did not say which."""

    reason: str
    reports: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The request was too large, for the service or for a proxy."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Nothing is known to be recorded. Repeat the same request later."""

    reason: str
    retry_after: str | None = None
    passes: bool = True
    """False if a person has to change something first, such as the token."""


Verdict = Accepted | Refused | NoRoom | TooLarge | Repeat


def judge(response: Response, reports: Sequence[Report]) -> Verdict:
    """Return what a response to these reports means."""
    document = _document(response.body)
    if response.status == HTTPStatus.OK:
        return _acceptance(document, reports)
    code = _code(document)
    reason = code or f"status_{response.status}"
    if code is not None and response.status == HTTPStatus.CONFLICT:
        return NoRoom(reason, _listed(document, reports))
    if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge()
    if document.get("retryable") is True or response.status in _PASSING or response.status >= _SERVER_ERRORS:
        return Repeat(reason, response.retry_after)
    if code is not None and response.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return Refused(reason, _listed(document, reports))
    return Repeat(reason, response.retry_after, passes=False)


def _acceptance(document: Mapping[str, Any], reports: Sequence[Report]) -> Verdict:
    accepted, duplicates = document.get("accepted"), document.get("duplicates")
    if type(accepted) is int and type(duplicates) is int and accepted + duplicates == len(reports):
        return Accepted(accepted, duplicates, document.get("reportable") is not False)
    return Repeat("not_the_service", passes=False)


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _code(document: Mapping[str, Any]) -> str | None:
    kind = document.get("type")
    if not isinstance(kind, str) or not kind.startswith(_PROBLEM):
        return None
    return re.sub(r"[^a-z0-9-]", "?", kind.removeprefix(_PROBLEM))[:_MOST_REASON]


def _listed(document: Mapping[str, Any], reports: Sequence[Report]) -> dict[str, str]:
    """Return the reports that a problem lists, with what is wrong with each."""
    errors = document.get("errors")
    found: dict[str, str] = {}
    for error in errors if isinstance(errors, list) else ():
        report_id = _report_id(error, reports) if isinstance(error, dict) else None
        if report_id is not None:
            found.setdefault(report_id, f"{error.get('field')}: {error.get('problem')}"[:_MOST_REASON])
    return found


def _report_id(error: Mapping[str, Any], reports: Sequence[Report]) -> str | None:
    named = error.get("report_id")
    if any(report.report_id == named for report in reports):
        return str(named)
    index = error.get("index")
    if type(index) is not int:
        match = _FIELD.match(str(error.get("field")))
        index = int(match[1]) if match else -1
    return reports[index].report_id if 0 <= index < len(reports) else None
