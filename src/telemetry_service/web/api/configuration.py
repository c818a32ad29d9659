"""The configuration, the API key and the connection test."""

from typing import Annotated

from fastapi import Depends, Query, Response

from telemetry_service.domain import errors
from telemetry_service.domain.configuration import ApiKeyInput, Configuration, NewApiKeyInput
from telemetry_service.domain.connection_check import ConnectionCheck
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import (
    refuse_if_something_is_lost,
    remove_api_key,
    reveal_api_key,
    save_configuration,
    set_api_key,
)
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.queries.consequences import Consequences, read_consequences
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.configuration import (
    ConfigurationResponse,
    ConnectionCheckResponse,
    ConsequencesResponse,
    RevealedKeyResponse,
)
from telemetry_service.web.api.openapi_parts import UNABLE_TO_SEND, header, refused_with, response_header
from telemetry_service.web.api.parameters import IF_MATCH_PATTERN, TagsRequired, entity_tag
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import LIMITED_REVEALS, RECENT_LOGIN, CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("configuration", "/telemetry")

_ETAG = response_header("ETag", "The version. Send it in `If-Match` to save.")
_IF_MATCH = header(
    "If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"7"', IF_MATCH_PATTERN, required=True
)
_KEY = {"api_key": "ck_live_0123456789abcdef"}
_VALUES = {
    "enabled": True,
    "frequency": "twice_monthly",
    "encrypt_payload": True,
    "anonymize_pii": True,
    "retention_days": 30,
}
"""Examples of bodies, for the description."""

Values = Annotated[Configuration, Depends(JsonBody(Configuration, _VALUES))]
Confirm = Annotated[bool, Query(description="Proceed even if data is permanently lost.")]
DryRun = Annotated[bool, Query(description="Report what would be lost, without saving.")]
NewKey = Annotated[NewApiKeyInput, Depends(JsonBody(NewApiKeyInput, {**_KEY, "overlap": True}))]
KeyToTest = Annotated[ApiKeyInput | None, Depends(JsonBody(ApiKeyInput, _KEY, required=False))]


@router.get("/config", response_model=ConfigurationResponse, responses={200: {"headers": _ETAG}})
@needs(Scope.READ)
def get_config(context: Context, response: Response) -> ConfigurationView:
    """Return the configuration. To save, send its ETag in `If-Match`."""
    return _tagged(response, read_now(context.runtime, read_configuration))


@router.put(
    "/config",
    response_model=ConfigurationResponse | ConsequencesResponse,
    responses={200: {"headers": _ETAG}},
    openapi_extra={"parameters": [_IF_MATCH]},
)
@needs(Scope.ADMIN)
@refused_with(
    errors.StaleConfigurationError,
    errors.PreconditionRequiredError,
    errors.LockedByDeploymentError,
    errors.ConfirmationRequiredError,
)
def put_config(
    context: Context,
    caller: CurrentCaller,
    response: Response,
    seen: TagsRequired,
    values: Values,
    confirm: Confirm = False,  # noqa: FBT002 - a query parameter
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> ConfigurationView | Consequences:
    """Save the whole configuration. Refused with 412 if someone else saved it since it was read.

    A change that permanently loses data (a shorter retention, or turning telemetry off with counts in the open period)
    is refused with 409 and the numbers unless `confirm=true`. With `dry_run=true`, the response reports what would be
    lost and nothing is saved.
    """
    runtime = context.runtime
    version = read_now(runtime, read_configuration).stored.version
    if entity_tag(version) not in seen:
        raise errors.StaleConfigurationError
    if dry_run:
        return read_now(runtime, read_consequences, values)
    check = None if confirm else refuse_if_something_is_lost
    return _tagged(response, save_configuration(runtime, values, version, caller.actor, check=check))


@router.put("/config/api-key", response_model=ConfigurationResponse)
@needs(Scope.ADMIN)
def put_api_key(context: Context, caller: CurrentCaller, response: Response, key: NewKey) -> ConfigurationView:
    """Save a new API key. Payloads held for the old key are tried at once.

    The old key is kept for up to 24 hours, until a payload is accepted under the new one: where the License Server does
    not accept the new key yet (401), one attempt with the old key follows. With `"overlap": false`, or by removing the
    API key, it is destroyed now.
    """
    return _tagged(response, set_api_key(context.runtime, key.api_key, caller.actor, overlap=key.overlap))


@router.delete("/config/api-key", response_model=ConfigurationResponse, dependencies=[NO_BODY])
@needs(Scope.ADMIN)
def delete_api_key(context: Context, caller: CurrentCaller, response: Response) -> ConfigurationView:
    """Remove the API key, and the old one if it is still kept. Nothing can be sent until a new one is saved."""
    return _tagged(response, remove_api_key(context.runtime, caller.actor))


@router.post("/config/api-key/reveal", dependencies=[NO_BODY, RECENT_LOGIN, LIMITED_REVEALS])
@needs(Scope.ADMIN, secret=True)
@refused_with(
    errors.RecentLoginRequiredError, errors.RevealThrottledError, errors.NotConfiguredError, errors.KeyUnusableError
)
def post_reveal(context: Context, caller: CurrentCaller, response: Response) -> RevealedKeyResponse:
    """Show the API key. Audited and never cached. A service token may call this 10 times an hour."""
    response.headers["Cache-Control"] = "no-store"
    return RevealedKeyResponse(api_key=reveal_api_key(context.runtime, caller.actor))


@router.post("/test-connection", response_model=ConnectionCheckResponse)
@needs(Scope.ADMIN)
@refused_with(*UNABLE_TO_SEND)
@waits_for_license_server
def post_test_connection(context: Context, caller: CurrentCaller, key: KeyToTest) -> ConnectionCheck:
    """Test the connection step by step, with the saved API key or with one that is not saved yet."""
    return check_connection(context.runtime, caller.actor, key.api_key if key else None)


def _tagged(response: Response, view: ConfigurationView) -> ConfigurationView:
    response.headers["ETag"] = entity_tag(view.stored.version)
    return view
