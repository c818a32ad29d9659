"""What a provider publishes about itself (OpenID Connect Discovery 1.0)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from telemetry_service.identity.issuer_json import object_in

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The addresses of a provider, and what it can do."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    names_itself: bool
    """Whether each of its responses names its issuer (RFC 9207)."""
    secret_in_form: bool
    """Whether a client must send its secret in the form, because a header is not accepted."""


def discovery_url(issuer: str) -> str:
    """Return the address of an issuer's metadata."""
    return issuer.rstrip("/") + WELL_KNOWN


def parse_metadata(content: bytes, issuer: str) -> Metadata:
    """Return the metadata of ``issuer``.

    Raises:
        ValueError: it is not its metadata, or an address is not one of verified TLS.
    """
    document = object_in(content)
    if document.get("issuer") != issuer:
        msg = "not the metadata of this issuer"
        raise ValueError(msg)
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        authorization_endpoint=_address(document, "authorization_endpoint"),
        token_endpoint=_address(document, "token_endpoint"),
        jwks_uri=_address(document, "jwks_uri"),
        userinfo_endpoint=_optional(document, "userinfo_endpoint"),
        end_session_endpoint=_optional(document, "end_session_endpoint"),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        secret_in_form=isinstance(methods, list) and "client_secret_basic" not in methods,
    )


def _optional(document: dict[str, Any], name: str) -> str | None:
    return _address(document, name) if name in document else None


def _address(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        msg = f"{name} is missing"
        raise ValueError(msg)
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.fragment:
        msg = f"{name} is not an https URL"
        raise ValueError(msg)
    return value
