"""``telemetry-service token``: manages the tokens of other services."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_json, say_table
from telemetry_service.domain.errors import NotFoundError
from telemetry_service.identity.scopes import Scope

if TYPE_CHECKING:
    from telemetry_service.identity.tokens import ServiceTokens, TokenFacts

Name = Annotated[str, typer.Argument(help="The name of the token's user, such as control-plane.")]
Scopes = Annotated[
    list[Scope], typer.Option("--scope", help="What the token may do; repeat for several. admin includes read.")
]


def create(name: Name, scope: Scopes, *, as_json: AsJson = False) -> None:
    """Create a service token. It is shown only once, alone on the last line."""
    with opened_service() as service:
        created = service.authentication.tokens.create(name, scope, command_actor())
    if as_json:
        say_json({"token": created.token, **_shown(created.facts)})
        return
    say(f"Token {created.facts.token_id} for {name} ({', '.join(created.facts.scopes)}). It is not shown again:")
    say(created.token)


def list_tokens(*, as_json: AsJson = False) -> None:
    """List all service tokens. Never shows their values."""
    with opened_service() as service:
        tokens = service.authentication.tokens.list()
    if as_json:
        say_json([_shown(facts) for facts in tokens])
        return
    if not tokens:
        say("No service tokens yet.")
        return
    say_table(
        ("ID", "NAME", "SCOPES", "CREATED", "LAST USED", "REVOKED"),
        (
            (t.token_id, t.name, ",".join(t.scopes), moment(t.created_at), moment(t.last_used_at), moment(t.revoked_at))
            for t in tokens
        ),
    )


def revoke(token: Annotated[str, typer.Argument(help="The token's ID or name.")]) -> None:
    """Revoke a service token. Every replica rejects it within a few seconds."""
    with opened_service() as service:
        tokens = service.authentication.tokens
        try:
            tokens.revoke(_id_of(tokens, token), command_actor())
        except NotFoundError:
            message = "No valid token has this ID or name. List them with: telemetry-service token list"
            raise NotFoundError(message) from None
    say("The token is revoked.")


def _id_of(tokens: "ServiceTokens", wanted: str) -> str:
    named = (facts.token_id for facts in tokens.list() if facts.name == wanted and facts.revoked_at is None)
    return next(named, wanted)


def _shown(facts: "TokenFacts") -> dict[str, Any]:
    times = {name: moment(getattr(facts, name)) for name in ("created_at", "last_used_at", "revoked_at")}
    return {**asdict(facts), **times}
