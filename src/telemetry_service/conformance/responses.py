"""What the checks say about a response."""

from telemetry_service.conformance.session import Exchanged
from telemetry_service.domain.causes import EXPLANATIONS, Cause
from telemetry_service.domain.timestamps import parse_moment

OK = 200


def expect_status(exchanged: Exchanged, *statuses: int, sent: str = "the request") -> str | None:
    """Return what is wrong with the status of a response; None if it is one of ``statuses``."""
    if exchanged.status in statuses:
        return None
    wanted = " or ".join(map(str, statuses))
    return f"Expected {wanted} for {sent}; got {got(exchanged)}."


def got(exchanged: Exchanged) -> str:
    """Say what came back, in a few words."""
    response = exchanged.response
    if isinstance(response, Cause):
        return f"no response ({response.value}: {EXPLANATIONS[response].sentence})"
    code = exchanged.members.get("type")
    return f"{response.status} {code}" if isinstance(code, str) and len(code) < 100 else str(response.status)  # noqa: PLR2004 - a line


def expect_acceptance(exchanged: Exchanged, status: str = "accepted", sent: str = "the transmission") -> str | None:
    """Return why a response is not an acceptance with this ``status``; None if it is one."""
    if wrong := expect_status(exchanged, OK, sent=sent):
        return wrong
    found = exchanged.members.get("status")
    if found != status:
        return f'Expected "status": "{status}" for {sent}; got {_shown(found)}.'
    return None


def time_problem(value: object) -> str | None:
    """Return why a value is not a time of the protocol."""
    if not isinstance(value, str):
        return f"it is {_shown(value)}"
    try:
        parse_moment(value)
    except ValueError as error:
        return f"{_shown(value)}: {error}"
    return None


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:80]
