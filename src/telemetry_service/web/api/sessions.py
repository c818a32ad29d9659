"""Where the caller is logged in. Only for people: a service token has no sessions, and ends none."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from telemetry_service.domain import errors
from telemetry_service.identity.login import Login
from telemetry_service.identity.sessions import Session
from telemetry_service.schemas.sessions import SessionResponse, SessionsResponse
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY
from telemetry_service.web.security.authorization import CurrentCaller, CurrentLogin, people_only
from telemetry_service.web.topic import Topic

SessionId = Annotated[UUID, Path()]
Others = Annotated[bool, Query(description="End all but the session that asks.")]

router = Topic("sessions", "/sessions")


@router.get("")
@people_only
def get_sessions(context: Context, login: CurrentLogin) -> SessionsResponse:
    """List your browser sessions that have not ended."""
    sessions = context.authentication.own_sessions.list(login.person, _id_of(login))
    return SessionsResponse(sessions=tuple(map(SessionResponse.model_validate, sessions)))


@router.delete("", status_code=204, dependencies=[NO_BODY])
@people_only
@refused_with(errors.RecentLoginRequiredError)
def delete_sessions(
    context: Context,
    caller: CurrentCaller,
    login: CurrentLogin,
    others: Others = False,  # noqa: FBT002 - a query parameter
) -> None:
    """End all your browser sessions, or all others. A session needs a login of the last ten minutes for this."""
    _check_recent(context, login)
    context.authentication.own_sessions.end_all(login.person, caller.actor, _id_of(login) if others else None)


@router.delete("/{session_id}", status_code=204, dependencies=[NO_BODY])
@people_only
@refused_with(errors.NotFoundError, errors.RecentLoginRequiredError)
def delete_session(context: Context, caller: CurrentCaller, login: CurrentLogin, session_id: SessionId) -> None:
    """End one of your browser sessions. Ending another one needs a login of the last ten minutes."""
    if session_id != _id_of(login):
        _check_recent(context, login)
    context.authentication.own_sessions.end(login.person, session_id, caller.actor)


def _check_recent(context: Context, login: Login) -> None:
    if not login.may_end_others(context.runtime.clock.now()):
        raise errors.RecentLoginRequiredError


def _id_of(login: Login) -> UUID | None:
    return login.session_id if isinstance(login, Session) else None
