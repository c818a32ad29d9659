"""Service tokens: list, create, and revoke them."""

from typing import Annotated

from fastapi import Depends, Path
from fastapi.responses import Response

from telemetry_service.domain import errors
from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.tokens import TokenNameTakenError, TokenRefusedError
from telemetry_service.schemas.tokens import CreatedTokenResponse, TokenInput, TokenResponse, TokensResponse
from telemetry_service.web.api.openapi_parts import refused_with
from telemetry_service.web.context import Context
from telemetry_service.web.http.body import NO_BODY, JsonBody
from telemetry_service.web.security.authorization import RECENT_LOGIN, CurrentCaller, needs
from telemetry_service.web.topic import Topic

_EXAMPLE = {"name": "control-plane", "scopes": ["report"], "expires_in_days": 365}
New = Annotated[TokenInput, Depends(JsonBody(TokenInput, _EXAMPLE))]
TokenId = Annotated[str, Path(pattern="^[a-z2-7]{12}$")]

router = Topic("tokens", "/tokens")


@router.get("")
@needs(Scope.ADMIN)
def get_tokens(context: Context) -> TokensResponse:
    """List the service tokens. Never shows their values."""
    return TokensResponse(tokens=tuple(map(TokenResponse.model_validate, context.authentication.tokens.list())))


@router.post("", status_code=201, dependencies=[RECENT_LOGIN])
@needs(Scope.ADMIN)
@refused_with(errors.RecentLoginRequiredError, TokenRefusedError, TokenNameTakenError)
def post_token(context: Context, caller: CurrentCaller, new: New, response: Response) -> CreatedTokenResponse:
    """Create a service token. Its value is only in this response. A browser session needs a recent login."""
    response.headers["Cache-Control"] = "no-store"
    created = context.authentication.tokens.create(new.name, new.scopes, caller.actor, new.lifetime)
    facts = TokenResponse.model_validate(created.facts)
    return CreatedTokenResponse(token=created.token, **facts.model_dump())


@router.delete("/{token_id}", status_code=204, dependencies=[NO_BODY])
@needs(Scope.ADMIN)
@refused_with(errors.NotFoundError)
def delete_token(context: Context, caller: CurrentCaller, token_id: TokenId) -> None:
    """Revoke a service token. It works for at most five seconds longer in other replicas.

    Tokens that it created stay valid: list the tokens and revoke them, too, if it was stolen.
    """
    context.authentication.tokens.revoke(token_id, caller.actor)
