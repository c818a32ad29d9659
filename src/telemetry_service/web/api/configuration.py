"""The configuration, the API key and the connection test."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from telemetry_service.access.scopes import Scope
from telemetry_service.domain.configuration import ApiKeyInput, Configuration
from telemetry_service.domain.errors import (
    ConfirmationRequiredError,
    KeyUnusableError,
    LockedByDeploymentError,
    NotConfiguredError,
    PreconditionRequiredError,
    RecentLoginRequiredError,
    StaleConfigurationError,
    TelemetryDisabledError,
)
from telemetry_service.pipeline.configure import (
    ConfigurationView,
    read_configuration,
    remove_api_key,
    reveal_api_key,
    save_configuration,
    set_api_key,
)
from telemetry_service.pipeline.connection_test import check_connection
from telemetry_service.pipeline.consequences import read_consequences, unless_something_is_lost
from telemetry_service.web.api.answers_configuration import (
    ConfigurationAnswer,
    ConnectionTestAnswer,
    ConsequencesAnswer,
    RevealedKeyAnswer,
)
from telemetry_service.web.api.documents import answer_header, header, json_body, refused_with
from telemetry_service.web.api.parameters import VersionsSeen, entity_tag
from telemetry_service.web.body import NO_BODY, JsonBody, has_body
from telemetry_service.web.context import Context
from telemetry_service.web.gate import RECENT_LOGIN, CurrentCaller, needs
from telemetry_service.web.pools import waits_for_license_server
from telemetry_service.web.refusals import ExchangesBusyError

router = APIRouter(prefix="/telemetry", tags=["configuration"])

_ETAG = answer_header("ETag", "The version, to be named in `If-Match` by a save.")
_KEY = {"api_key": "ck_live_0123456789abcdef"}
_VALUES = {
    "enabled": True,
    "frequency": "twice_monthly",
    "encrypt_payload": True,
    "anonymize_pii": True,
    "retention_days": 30,
}
"""Examples of bodies, for the description."""

Values = Annotated[Configuration, Depends(JsonBody(Configuration))]
Confirm = Annotated[bool, Query(description="Do it although something is lost for good.")]
DryRun = Annotated[bool, Query(description="Say what would be lost, and save nothing.")]
NewKey = Annotated[ApiKeyInput, Depends(JsonBody(ApiKeyInput))]
_read_key = JsonBody(ApiKeyInput)


async def _key_to_test(request: Request) -> ApiKeyInput | None:
    """Return the API key to test with, or None, for the stored one, where there is no body or an empty one."""
    return await _read_key(request) if await has_body(request) else None


KeyToTest = Annotated[ApiKeyInput | None, Depends(_key_to_test)]


@router.get("/config", responses={200: {"headers": _ETAG}})
@needs(Scope.READ)
def get_config(context: Context, response: Response) -> ConfigurationAnswer:
    """Return the configuration. Its ETag is the version that a save must name."""
    return _answer(response, read_configuration(context.installation))


@router.put(
    "/config",
    responses={200: {"headers": _ETAG}},
    openapi_extra=json_body(Configuration, _VALUES)
    | header("If-Match", "The ETag that was seen, a list of them, or `*`.", '"7"', required=True)
    | refused_with(
        StaleConfigurationError, PreconditionRequiredError, LockedByDeploymentError, ConfirmationRequiredError
    ),
)
@needs(Scope.ADMIN)
def put_config(
    context: Context,
    caller: CurrentCaller,
    response: Response,
    seen: VersionsSeen,
    values: Values,
    confirm: Confirm = False,  # noqa: FBT002 - a query parameter
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> ConfigurationAnswer | ConsequencesAnswer:
    """Save the configuration as a whole; refused with 412 where somebody else saved in the meantime.

    What would lose something for good (a shorter retention, switching off with counts in the open period) is refused
    with 409 and the numbers unless `confirm=true`; `dry_run=true` says what would be lost and saves nothing.
    """
    installation = context.installation
    version = seen.check(read_configuration(installation).stored.version)
    if dry_run:
        return ConsequencesAnswer.of(read_consequences(installation, values))
    check = None if confirm else unless_something_is_lost(installation)
    return _answer(response, save_configuration(installation, values, version, caller.actor, check=check))


@router.put("/config/api-key", openapi_extra=json_body(ApiKeyInput, _KEY))
@needs(Scope.ADMIN)
def put_api_key(context: Context, caller: CurrentCaller, response: Response, key: NewKey) -> ConfigurationAnswer:
    """Store another API key; what was held for the old one is tried at once."""
    return _answer(response, set_api_key(context.installation, key.api_key, caller.actor))


@router.delete("/config/api-key", dependencies=[NO_BODY])
@needs(Scope.ADMIN)
def delete_api_key(context: Context, caller: CurrentCaller, response: Response) -> ConfigurationAnswer:
    """Forget the API key; nothing can be sent until another one is set."""
    return _answer(response, remove_api_key(context.installation, caller.actor))


@router.post(
    "/config/api-key/reveal",
    dependencies=[NO_BODY, RECENT_LOGIN],
    openapi_extra=refused_with(RecentLoginRequiredError, NotConfiguredError, KeyUnusableError),
)
@needs(Scope.ADMIN)
def post_reveal(context: Context, caller: CurrentCaller, response: Response) -> RevealedKeyAnswer:
    """Show the API key in clear; audited, and kept by no cache."""
    response.headers["Cache-Control"] = "no-store"
    return RevealedKeyAnswer(api_key=reveal_api_key(context.installation, caller.actor))


@router.post(
    "/test-connection",
    openapi_extra=json_body(ApiKeyInput, _KEY, required=False)
    | refused_with(TelemetryDisabledError, NotConfiguredError, KeyUnusableError, ExchangesBusyError),
)
@needs(Scope.ADMIN)
@waits_for_license_server
def post_test_connection(context: Context, caller: CurrentCaller, key: KeyToTest) -> ConnectionTestAnswer:
    """Test the connection step by step, with the stored API key or with one that is not saved yet."""
    tested = check_connection(context.installation, caller.actor, key.api_key if key else None)
    return ConnectionTestAnswer.of(tested)


def _answer(response: Response, view: ConfigurationView) -> ConfigurationAnswer:
    response.headers["ETag"] = entity_tag(view.stored.version)
    return ConfigurationAnswer.of(view)
