"""The configuration, the API key and the connection test."""

from typing import Annotated

from fastapi import Depends, Query, Response

from telemetry_service.domain import errors
from telemetry_service.domain.configuration import ApiKeyInput, Configuration, ConfigurationPatch, NewApiKeyInput
from telemetry_service.domain.connection_check import ConnectionCheck
from telemetry_service.domain.consequences import Consequences
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.check_connection import check_connection
from telemetry_service.pipeline.actions.configure import (
    AsSeen,
    refuse_if_something_is_lost,
    remove_api_key,
    reveal_api_key,
    save_configuration,
    set_api_key,
    try_save,
)
from telemetry_service.pipeline.queries.configuration import ConfigurationView, read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.schemas.configuration import (
    ConfigurationResponse,
    ConnectionCheckResponse,
    ConsequencesResponse,
    RevealedKeyResponse,
)
from telemetry_service.web.api.openapi_parts import UNABLE_TO_SEND, header, refused_with, response_header
from telemetry_service.web.api.parameters import IF_MATCH_PATTERN, SeenTags, TagsRequired, TagsSeen, entity_tag
from telemetry_service.web.context import Context, WebContext
from telemetry_service.web.http.body import MERGE_PATCH, NO_BODY, JsonBody
from telemetry_service.web.http.pools import waits_for_license_server
from telemetry_service.web.security.authorization import LIMITED_REVEALS, RECENT_LOGIN, Caller, CurrentCaller, needs
from telemetry_service.web.topic import Topic

router = Topic("configuration", "/telemetry")

_ETAG = response_header("ETag", "The version. Send it in `If-Match` to save.")
_SEEN = ("If-Match", "An ETag from an earlier response, a list of ETags, or `*`.", '"7"', IF_MATCH_PATTERN)
_REQUIRED, _OPTIONAL = header(*_SEEN, required=True), header(*_SEEN)
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
Changes = Annotated[
    ConfigurationPatch, Depends(JsonBody(ConfigurationPatch, {"retention_days": 90}, media_type=MERGE_PATCH))
]
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
    openapi_extra={"parameters": [_REQUIRED]},
)
@needs(Scope.ADMIN)
@refused_with(
    errors.StaleConfigurationError,
    errors.PreconditionRequiredError,
    errors.SettingLockedError,
    errors.ConfirmationRequiredError,
    errors.NotVerifiedYetError,
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
    is refused with 409 and the numbers unless `confirm=true`. With `dry_run=true`, the response reports what would
    change and what would be lost, and nothing is saved. Saving the present values changes nothing, not even the ETag.
    What the deployment sets (`locked`) cannot be changed: 409, with the variable to change instead.
    """
    if dry_run:
        return read_now(context.runtime, try_save, values, _as_seen(seen))
    return _saved(context, caller, response, values, seen, confirm=confirm)


@router.patch(
    "/config",
    response_model=ConfigurationResponse | ConsequencesResponse,
    responses={200: {"headers": _ETAG}},
    openapi_extra={"parameters": [_OPTIONAL]},
)
@needs(Scope.ADMIN)
@refused_with(
    errors.StaleConfigurationError,
    errors.SettingLockedError,
    errors.ConfirmationRequiredError,
    errors.NotVerifiedYetError,
)
def patch_config(
    context: Context,
    caller: CurrentCaller,
    response: Response,
    seen: TagsSeen,
    changes: Changes,
    confirm: Confirm = False,  # noqa: FBT002 - a query parameter
    dry_run: DryRun = False,  # noqa: FBT002 - a query parameter
) -> ConfigurationView | Consequences:
    """Change the settings that the body names (RFC 7396), and no other. For the rest, see `PUT`.

    Without `If-Match`, the change is made to whichever version there is.
    """
    if dry_run:
        return read_now(context.runtime, try_save, changes, _as_seen(seen))
    return _saved(context, caller, response, changes, seen, confirm=confirm)


@router.put(
    "/config/api-key",
    response_model=ConfigurationResponse,
    responses={200: {"headers": _ETAG}},
    openapi_extra={"parameters": [_OPTIONAL]},
)
@needs(Scope.ADMIN)
@refused_with(errors.StaleConfigurationError, errors.SettingLockedError, errors.NotVerifiedYetError)
def put_api_key(
    context: Context, caller: CurrentCaller, response: Response, seen: TagsSeen, key: NewKey
) -> ConfigurationView:
    """Save a new API key. Payloads held for the old key are tried at once. Saving the present key changes nothing else.

    The old key is kept for up to 24 hours, until a payload is accepted under the new one: where the License Server does
    not accept the new key yet (401), one attempt with the old key follows. With `"overlap": false`, or by removing the
    API key, it is destroyed now.
    """
    saved = set_api_key(context.runtime, key.api_key, caller.actor, _as_seen(seen), overlap=key.overlap)
    return _tagged(response, saved)


@router.delete(
    "/config/api-key",
    response_model=ConfigurationResponse,
    responses={200: {"headers": _ETAG}},
    dependencies=[NO_BODY],
    openapi_extra={"parameters": [_OPTIONAL]},
)
@needs(Scope.ADMIN)
@refused_with(errors.StaleConfigurationError, errors.SettingLockedError, errors.NotVerifiedYetError)
def delete_api_key(context: Context, caller: CurrentCaller, response: Response, seen: TagsSeen) -> ConfigurationView:
    """Remove the API key, and the old one if it is still kept. Nothing can be sent until a new one is saved."""
    return _tagged(response, remove_api_key(context.runtime, caller.actor, _as_seen(seen)))


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


def _saved(
    context: WebContext,
    caller: Caller,
    response: Response,
    wanted: Configuration | ConfigurationPatch,
    seen: SeenTags,
    *,
    confirm: bool,
) -> ConfigurationView:
    check = None if confirm else refuse_if_something_is_lost
    return _tagged(response, save_configuration(context.runtime, wanted, _as_seen(seen), caller.actor, check=check))


def _as_seen(seen: SeenTags) -> AsSeen:
    return lambda version: entity_tag(version) in seen


def _tagged(response: Response, view: ConfigurationView) -> ConfigurationView:
    response.headers["ETag"] = entity_tag(view.stored.version)
    return view
