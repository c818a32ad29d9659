"""``telemetry-service token``: manages the tokens of other services."""

import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_json, say_on_stderr, say_table
from telemetry_service.domain.errors import NotFoundError
from telemetry_service.identity.scopes import Scope, granted

if TYPE_CHECKING:
    from telemetry_service.identity.tokens import ServiceTokens, TokenFacts

Name = Annotated[str, typer.Argument(help="The name of the token's user, such as control-plane.")]
Scopes = Annotated[
    list[Scope], typer.Option("--scope", help="What the token may do; repeat for several. admin includes read.")
]


Expires = Annotated[str, typer.Option("--expires", help="After how many days it expires, such as 90d, or never.")]
IfMissing = Annotated[
    bool,
    typer.Option("--if-missing", help="If a valid token has this name and scopes, do nothing and exit with 0."),
]

_TIMES = ("created_at", "expires_at", "last_used_at", "revoked_at")
_DAYS = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)


def create(
    name: Name,
    scope: Scopes,
    *,
    expires: Expires = "365d",
    if_missing: IfMissing = False,
    as_json: AsJson = False,
) -> None:
    """Create a service token. It is shown only once, alone on the last line."""
    from telemetry_service.identity.tokens import TokenFacts

    lifetime = _lifetime(expires)
    with opened_service() as service:
        tokens = service.authentication.tokens
        create = tokens.create_if_missing if if_missing else tokens.create
        created = create(name, scope, command_actor(), lifetime)
    if isinstance(created, TokenFacts):
        _check_scopes(created, scope)
        say_on_stderr(f"A valid token is named {name} already; nothing was created.")
        return
    if as_json:
        say_json({"token": created.token, **_shown(created.facts)})
        return
    until = moment(created.facts.expires_at)
    say(
        f"Token {created.facts.token_id} for {name} ({', '.join(created.facts.scopes)})"
        f" {f'expires at {until}' if until else 'never expires'}. It is not shown again:"
    )
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
        ("ID", "NAME", "SCOPES", *(name.removesuffix("_at").replace("_", " ").upper() for name in _TIMES), "KEY"),
        ((t.token_id, t.name, ",".join(t.scopes), *_times(t).values(), t.credential_key) for t in tokens),
    )


def revoke(token: Annotated[str, typer.Argument(help="The token's ID or name.")]) -> None:
    """Revoke a service token. Every replica rejects it within a few seconds. Tokens that it created stay valid."""
    with opened_service() as service:
        tokens = service.authentication.tokens
        try:
            tokens.revoke(_id_of(tokens, token), command_actor())
        except NotFoundError:
            message = "No valid token has this ID or name. List them with: telemetry-service token list"
            raise NotFoundError(message) from None
    say("The token is revoked. If it created tokens, these stay valid; revoke them too if it was stolen.")


def _id_of(tokens: "ServiceTokens", wanted: str) -> str:
    """Return the ID of the latest token with this name that is not revoked, or what was given."""
    named = (facts.token_id for facts in reversed(tokens.list()) if facts.name == wanted and facts.revoked_at is None)
    return next(named, wanted)


def _check_scopes(there: "TokenFacts", wanted: list[Scope]) -> None:
    from telemetry_service.identity.tokens import TokenNameTakenError

    if granted(there.scopes) != granted(wanted):
        message = (
            f"A valid token is named {there.name} already, but its scopes are {', '.join(there.scopes)} and not"
            f" {', '.join(sorted(set(wanted)))}. Revoke it first, or choose another name."
        )
        raise TokenNameTakenError(message)


def _lifetime(text: str) -> timedelta | None:
    from telemetry_service.identity.tokens import LONGEST_LIFETIME

    if text == "never":
        return None
    days = _DAYS.fullmatch(text)
    if days is None or int(days[1]) > LONGEST_LIFETIME.days:
        message = f"must be a number of days from 1d to {LONGEST_LIFETIME.days}d, or never."
        raise typer.BadParameter(message, param_hint="--expires")
    return timedelta(days=int(days[1]))


def _shown(facts: "TokenFacts") -> dict[str, Any]:
    return {**asdict(facts), **_times(facts)}


def _times(facts: "TokenFacts") -> dict[str, str | None]:
    return {name: moment(getattr(facts, name)) for name in _TIMES}
