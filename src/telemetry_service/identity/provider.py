"""Logs people in at an OpenID Connect provider: authorization code with PKCE, state and nonce.

Nothing of the provider's tokens is kept. The ID token is read once, and the access token at most asks for roles.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote_plus, urlencode

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import IdentityRefusedError, NoRoleError
from telemetry_service.domain.issuers import Provider
from telemetry_service.identity.discovery import Metadata, discovery_url, parse_metadata
from telemetry_service.identity.issued_token import (
    LEEWAY,
    Claims,
    Expected,
    authenticated_at,
    claims_of,
    key_id_of,
    person_of,
)
from telemetry_service.identity.issuer_client import IssuerClient
from telemetry_service.identity.issuer_json import object_in
from telemetry_service.identity.kept import Kept
from telemetry_service.identity.once import Once
from telemetry_service.identity.provider_login import LONGEST as LONGEST_LOGIN
from telemetry_service.identity.provider_login import (
    NAME,
    Begun,
    Finished,
    ProviderLogin,
    Returned,
    open_login,
    superseded,
)
from telemetry_service.identity.sessions import LONGEST, Proven, Session
from telemetry_service.identity.signing_keys import SigningKeys
from telemetry_service.sealing.keyring import KeyRing

AGAIN = timedelta(minutes=5)
"""How old an authentication may be that was asked for again: it leaves time to use it."""

_LOGIN_DIGEST = "provider-login"
_ID_TOKEN = ("sub", "exp", "iat", "nonce")


class OpenIdProvider:
    """One provider. Threads may share it."""

    def __init__(
        self, provider: Provider, redirect_uri: str, client: Callable[[], IssuerClient], keys: KeyRing, clock: Clock
    ) -> None:
        """Ask nothing yet. The provider sends people back to ``redirect_uri``."""
        self._provider = provider
        self._redirect_uri = redirect_uri
        self._client = client
        self._keys = keys
        self._clock = clock
        self._used = Once(LONGEST_LOGIN)
        self._metadata = Kept(NAME, self._read_metadata, clock)
        self.signing_keys = SigningKeys(NAME, lambda: client().get(self._metadata.get().jwks_uri), clock)

    @property
    def is_known(self) -> bool:
        """Whether the provider's addresses are known without waiting for it."""
        return self._metadata.known is not None

    def has_key_of(self, token: str) -> bool:
        """Whether a token can be verified, or refused, without asking the provider for keys."""
        kid = key_id_of(token)
        return kid is None or self.signing_keys.has(kid)

    def check(self) -> None:
        """Read what the provider publishes.

        Raises:
            IssuerUnavailableError: it cannot be read now.
        """
        self._metadata.get()
        self.signing_keys.check()

    def begin(self, next_: str, renewed: Session | None = None) -> Begun:
        """Begin a login that leads to the page ``next_``, or that only renews a session.

        Raises:
            IssuerUnavailableError: the provider does not say where.
        """
        metadata = self._metadata.latest()
        login = ProviderLogin(self._clock.now().timestamp(), next_, renewed.session_id.hex if renewed else None)
        challenge = to_base64url(hashlib.sha256(login.verifier.encode()).digest()).decode()
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._provider.scopes),
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            # With a limit, the provider must say when the person authenticated.
            "max_age": str(int(_age_of(login).total_seconds())),
        }
        return Begun(_with_query(metadata.authorization_endpoint, asked), login.state, login.sealed(self._keys))

    def superseded(self, cookies: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the cookies of logins that make room for one more."""
        return superseded(cookies, self._keys, self._clock.now())

    def finish(self, cookie: str | None, returned: Returned) -> Finished:
        """Return the person who has logged in.

        Raises:
            IdentityRefusedError: the browser did not begin this login, brings it back again, or the response is not
                accepted.
            NoRoleError: the person has no role here.
            IssuerUnavailableError: the provider gives no usable response.
        """
        now = self._clock.now()
        login = open_login(cookie, returned.state, self._keys, now)
        if not self._used.take(self._digest_of(login), now):
            raise IdentityRefusedError("used")
        metadata = self._metadata.get()
        self._check_issuer(returned, metadata)
        if returned.error or not returned.code:
            raise IdentityRefusedError("denied" if returned.error == "access_denied" else "provider_error")
        tokens = self._tokens(metadata, returned.code, login)
        claims = self._claims(tokens, login, now)
        return Finished(self._proven(self._with_role(claims, tokens, metadata), login, now), login)

    def end_address(self, return_to: str) -> str | None:
        """Return where the provider's own session ends; None if it cannot be ended by this service.

        Raises:
            IssuerUnavailableError: the provider does not say where.
        """
        endpoint = self._metadata.latest().end_session_endpoint
        asked = {"client_id": self._provider.client_id, "post_logout_redirect_uri": return_to}
        return None if endpoint is None else _with_query(endpoint, asked)

    def expected(self, *essential: str) -> Expected:
        """Return whom the provider's tokens must be from and for."""
        return Expected(self._provider.issuer, self._provider.client_id, essential)

    def _read_metadata(self) -> Metadata:
        issuer = self._provider.issuer
        return parse_metadata(self._client().get(discovery_url(issuer)), issuer)

    def _check_issuer(self, returned: Returned, metadata: Metadata) -> None:
        if returned.issuer != self._provider.issuer and (returned.issuer is not None or metadata.names_itself):
            raise IdentityRefusedError("issuer")

    def _tokens(self, metadata: Metadata, code: str, login: ProviderLogin) -> Mapping[str, str]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": login.verifier,
        }
        headers, more = self._authentication(in_form=metadata.secret_in_form)
        response = self._client().post_form(metadata.token_endpoint, form | more, headers)
        if response.body is None:
            raise IdentityRefusedError("code")
        return _texts_in(response.body)

    def _authentication(self, *, in_form: bool) -> tuple[Mapping[str, str], dict[str, str]]:
        """Return the headers and fields that authenticate this client (RFC 6749, section 2.3.1)."""
        client_id, secret = self._provider.client_id, self._provider.client_secret
        if secret is None:
            return {}, {"client_id": client_id}
        text = secret.get_secret_value()
        if in_form:
            return {}, {"client_id": client_id, "client_secret": text}
        both = f"{quote_plus(client_id)}:{quote_plus(text)}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}, {}

    def _claims(self, tokens: Mapping[str, str], login: ProviderLogin, now: datetime) -> Claims:
        claims = claims_of(tokens.get("id_token", ""), self.signing_keys.find, self.expected(*_ID_TOKEN), now)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._provider.client_id) != self._provider.client_id:
            raise IdentityRefusedError("authorized_party")
        if claims["nonce"] != login.nonce:
            raise IdentityRefusedError("nonce")
        return claims

    def _with_role(self, claims: Claims, tokens: Mapping[str, str], metadata: Metadata) -> Claims:
        """Return the claims, with those of the provider's other document if the ID token gives no role.

        Many providers keep what a scope asks for out of the ID token (OpenID Connect Core 1.0, section 5.4).
        """
        known = self._provider.roles.role_of(claims) is not None
        if known or metadata.userinfo_endpoint is None or "access_token" not in tokens:
            return claims
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        told = _object_in(self._client().get(metadata.userinfo_endpoint, bearer))
        if told.get("sub") != claims["sub"]:
            raise IdentityRefusedError("subject")
        return {**told, **claims}

    def _proven(self, claims: Claims, login: ProviderLogin, now: datetime) -> Proven:
        role = self._provider.roles.role_of(claims)
        if role is None:
            raise NoRoleError
        at = authenticated_at(claims, now)
        if login.renews is not None and (at is None or now - at > AGAIN + LEEWAY):
            raise IdentityRefusedError("not_authenticated_again")
        sid = claims.get("sid")
        return Proven(
            person=person_of(self._provider.issuer, claims, role),
            authenticated_at=at,
            sid=sid if isinstance(sid, str) else None,
            login_digest=self._digest_of(login),
        )

    def _digest_of(self, login: ProviderLogin) -> bytes:
        return self._keys.digest(login.state.encode(), _LOGIN_DIGEST)


def _age_of(login: ProviderLogin) -> timedelta:
    return LONGEST if login.renews is None else AGAIN


def _with_query(endpoint: str, parameters: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def _object_in(body: bytes) -> dict[str, object]:
    try:
        return object_in(body)
    except ValueError:
        raise IdentityRefusedError("response") from None


def _texts_in(body: bytes) -> Mapping[str, str]:
    return {name: value for name, value in _object_in(body).items() if isinstance(value, str)}
