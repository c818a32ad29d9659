"""Explains what is wrong with a body of usage reports: every invalid report, so that its sender can set it aside."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from telemetry_service.domain.facts import UsageBatch
from telemetry_service.web.errors.explanations import name_of, sentence_of
from telemetry_service.web.errors.request_errors import (
    REPORTS_SHOWN,
    FieldError,
    InputRefusedError,
    ReportsRefusedError,
)
from telemetry_service.web.http.strict_json import Path, errors_in, read_json

_FIELDS_OF_REPORT = 10
"""A report has six fields; one with hundreds of others need not list them all."""

_REPORTS = "reports"
_IN_REPORT = 2
"""The steps of a path that lead to a report: ``reports`` and its index."""

_PARTS = (("successful_decisions", "policy_decisions"), ("policy_decisions", "audit_events"))
"""Counts that are part of another one: each decision is an audit event too."""


def refused_usage(raw: bytes, adapter: TypeAdapter[UsageBatch]) -> InputRefusedError:
    """Return the refusal of a body that is not valid.

    Raises:
        BodyMalformedError: it is not JSON.
    """
    value = read_json(raw)
    found: dict[int, dict[Path, str]] = {}
    about_the_body: dict[Path, str] = {}
    for path, problem in _problems(raw, value, adapter):
        index = path[1] if path[:1] == (_REPORTS,) and len(path) >= _IN_REPORT else None
        fields = found.setdefault(index, {}) if isinstance(index, int) else about_the_body
        fields.setdefault(path, problem)
    if not found:
        about_the_body = about_the_body or {(): "must be one JSON value"}
    if about_the_body:
        return InputRefusedError(FieldError(name_of(path), problem) for path, problem in about_the_body.items())
    return ReportsRefusedError(_listed(found, _reports_in(value)))


def _problems(raw: bytes, value: object, adapter: TypeAdapter[UsageBatch]) -> Iterator[tuple[Path, str]]:
    yield from errors_in(value)
    try:
        adapter.validate_json(raw)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            # A value that Pydantic cannot even read is among the errors above, with its place.
            if one["type"] != "json_invalid":
                yield one["loc"], sentence_of(one)
    for index, report in enumerate(_reports_in(value)):
        for part, whole in _PARTS:
            counts = report.get(part), report.get(whole)
            if isinstance(counts[0], int) and isinstance(counts[1], int) and counts[0] > counts[1]:
                yield (_REPORTS, index, part), f"must not be more than {whole}"


def _listed(found: Mapping[int, Mapping[Path, str]], reports: list[dict[str, Any]]) -> Iterator[FieldError]:
    for index in islice(sorted(found), REPORTS_SHOWN):
        report_id = _id_of(reports[index]) if index < len(reports) else None
        for path, problem in islice(found[index].items(), _FIELDS_OF_REPORT):
            yield FieldError(name_of(path), problem, index, report_id)


def _reports_in(value: object) -> list[dict[str, Any]]:
    """Return the members of each report, as far as the body has reports; nothing for anything but an object."""
    try:
        reports = dict(value)[_REPORTS]  # type: ignore[call-overload]
    except (TypeError, ValueError, KeyError):
        return []
    return [_members_of(report) for report in reports] if isinstance(reports, list) else []


def _members_of(report: object) -> dict[str, Any]:
    try:
        return dict(report)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return {}


def _id_of(report: Mapping[str, Any]) -> UUID | None:
    """Return the ID of a report. What is not one is not repeated."""
    try:
        return UUID(str(report.get("report_id")))
    except ValueError:
        return None
