"""Alters a response after it was made: what a License Server with a bug would send."""

from collections.abc import Mapping

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response

from telemetry_service.reference.faults import Alteration


def with_changes(members: Mapping[str, object], changes: Mapping[str, JsonValue]) -> dict[str, object]:
    """Return ``members`` with the changes; null removes a member."""
    changed = {**members, **changes}
    return {name: value for name, value in changed.items() if name not in changes or value is not None}


def altered(members: Mapping[str, object], alteration: Alteration | None, response: Response | None = None) -> Response:
    """Return a response with these members, altered; ``response`` is what it would be otherwise."""
    usual = response or JSONResponse(dict(members))
    if alteration is None:
        return usual
    sent = JSONResponse(with_changes(members, alteration.members), alteration.status or usual.status_code)
    sent.headers["Content-Type"] = usual.headers["Content-Type"]
    sent.headers.update(alteration.headers)
    return sent
