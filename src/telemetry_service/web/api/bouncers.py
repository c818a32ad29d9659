"""The registry of bouncers: one by one, or as a whole."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Query, Response

from telemetry_service.domain import errors
from telemetry_service.domain.facts import BouncerRegistration, RegisteredBouncer, Registry, RegistryChange
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.replace_registry import replace_registry
from telemetry_service.pipeline.actions.report_facts import register_bouncer, remove_bouncer
from telemetry_service.pipeline.queries.facts import list_bouncers, read_bouncer
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.facts import (
    BouncerResponse,
    BouncersResponse,
    RegisteredBouncerResponse,
    RegistryChangeResponse,
)
from telemetry_service.web.api.content_tags import ETAG, IF_MATCH, tag_of
from telemetry_service.web.api.openapi_parts import header, refused_with
from telemetry_service.web.api.parameters import BouncerId, OnlyIfNew, SeenTags, TagsSeen
from telemetry_service.web.context import Context
from telemetry_service.web.errors.request_errors import FieldError, InputRefusedError
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.security.authorization import CurrentCaller, needs
from telemetry_service.web.topic import Topic

BOUNCERS = "/bouncers"

router = Topic("facts", BOUNCERS)

_IF_NONE_MATCH = header("If-None-Match", "`*` registers the bouncer only if it is not registered yet.", "*", r"^\*$")
_BOUNCER = {"environment": "production", "pair_id": "pair-7"}
_REGISTRY = {"bouncers": [{"bouncer_id": "bnc-7-prd", **_BOUNCER}]}

Registration = Annotated[BouncerRegistration, Depends(JsonBody(BouncerRegistration, _BOUNCER))]
WholeRegistry = Annotated[Registry, Depends(JsonBody(Registry, _REGISTRY))]
DryRun = Annotated[bool, Query(description="Report what would change, without changing it.")]


@router.get("", responses={200: {"headers": ETAG}})
@needs(Scope.REPORT, Scope.READ)
def get_bouncers(context: Context, response: Response) -> BouncersResponse:
    """List the registered bouncers."""
    body = _listed(read_now(context.runtime, list_bouncers))
    response.headers["ETag"] = tag_of(body)
    return body


@router.put("", response_model=RegistryChangeResponse, openapi_extra={"parameters": [IF_MATCH]})
@needs(Scope.REPORT)
@refused_with(errors.RegistryFullError, errors.StaleBouncersError)
def put_bouncers(
    context: Context,
    caller: CurrentCaller,
    wanted: WholeRegistry,
    seen: TagsSeen,
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> RegistryChange:
    """Replace the whole registry: what is not listed is removed. Repeating it changes nothing.

    What the source database registers is not part of it: neither removes what the other has registered. The usage that
    removed bouncers have reported stays counted. A call has at most 10,000 bouncers.
    """
    _refuse_repeated(wanted)
    as_seen = _whole_as_seen(seen)
    return replace_registry(context.runtime, wanted, caller.actor, as_seen, dry_run=dry_run)


@router.get("/{bouncer_id}", responses={200: {"headers": ETAG}})
@needs(Scope.REPORT, Scope.READ)
@refused_with(errors.NotFoundError)
def get_bouncer(context: Context, response: Response, bouncer_id: BouncerId) -> BouncerResponse:
    """Return a registered bouncer."""
    body = BouncerResponse.model_validate(read_now(context.runtime, read_bouncer, bouncer_id))
    response.headers["ETag"] = tag_of(body)
    return body


@router.put(
    "/{bouncer_id}",
    response_model=RegisteredBouncerResponse,
    responses={200: {"headers": ETAG}},
    openapi_extra={"parameters": [IF_MATCH, _IF_NONE_MATCH]},
)
@needs(Scope.REPORT)
@refused_with(errors.RegistryFullError, errors.StaleBouncersError)
def put_bouncer(
    context: Context,
    caller: CurrentCaller,
    response: Response,
    bouncer_id: BouncerId,
    registration: Registration,
    seen: TagsSeen,
    new: OnlyIfNew,
) -> RegisteredBouncerResponse:
    """Register a bouncer, or change its registration."""
    as_seen = _as_seen(seen, new=new)
    registered = register_bouncer(context.runtime, bouncer_id, registration, caller.actor, as_seen)
    response.headers["ETag"] = tag_of(BouncerResponse.model_validate(registered.bouncer))
    return RegisteredBouncerResponse.model_validate(registered)


@router.delete(
    "/{bouncer_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[NO_BODY],
    openapi_extra={"parameters": [IF_MATCH]},
)
@needs(Scope.REPORT)
@refused_with(errors.NotFoundError, errors.StaleBouncersError, errors.BouncerOfSourceError)
def delete_bouncer(context: Context, caller: CurrentCaller, bouncer_id: BouncerId, seen: TagsSeen) -> None:
    """Remove a bouncer from the registry. Its reported usage stays counted.

    If the source database registers it too, it stays as it is registered there. If no one else has registered it, the
    call is refused with 409.
    """
    if not remove_bouncer(context.runtime, bouncer_id, caller.actor, _as_seen(seen)):
        raise errors.NotFoundError


def _listed(bouncers: tuple[RegisteredBouncer, ...]) -> BouncersResponse:
    return BouncersResponse(bouncers=tuple(map(BouncerResponse.model_validate, bouncers)))


def _whole_as_seen(seen: SeenTags) -> Callable[[tuple[RegisteredBouncer, ...]], bool]:
    return lambda present: seen.tags is None or tag_of(_listed(present)) in seen


def _as_seen(seen: SeenTags, *, new: bool = False) -> Callable[[RegisteredBouncer | None], bool]:
    """Check the conditions. What does not exist matches only a request without ``If-Match``.

    What does exist is not ``new``, which ``If-None-Match`` asks for.
    """

    def check(present: RegisteredBouncer | None) -> bool:
        if present is None:
            return not seen.given
        return not new and (seen.tags is None or tag_of(BouncerResponse.model_validate(present)) in seen)

    return check


def _refuse_repeated(wanted: Registry) -> None:
    first: dict[str, int] = {}
    repeated = [index for index, one in enumerate(wanted.bouncers) if first.setdefault(one.bouncer_id, index) != index]
    if repeated:
        problem = "appears more than once"
        raise InputRefusedError(FieldError(f"bouncers[{index}].bouncer_id", problem, index) for index in repeated)
