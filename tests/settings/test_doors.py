"""How people log in: what a deployment can name, and what contradicts itself."""

from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.issuers import RoleMapping
from telemetry_service.domain.person import Role
from telemetry_service.settings import load_settings
from tests.settings.keys import VALID
from tests.support.each import each

OIDC = {
    "TELEMETRY_PUBLIC_URL": "https://console.example",
    "TELEMETRY_OIDC_ISSUER": "https://id.example/realms/main/",
    "TELEMETRY_OIDC_CLIENT_ID": "telemetry",
    "TELEMETRY_OIDC_ADMIN_ROLES": "admins, owners",
}
GATEWAY = {
    "TELEMETRY_IDENTITY_JWKS": "https://console.example/keys",
    "TELEMETRY_IDENTITY_ISSUER": "https://console.example",
    "TELEMETRY_IDENTITY_AUDIENCE": "telemetry",
    "TELEMETRY_IDENTITY_VIEWER_ROLES": "staff",
}


def _without(settings: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in settings.items() if key != name}


def test_without_any_of_them_there_is_the_local_login_alone() -> None:
    doors = load_settings(VALID).doors
    assert (doors.provider, doors.gateway, doors.local_login) == (None, None, True)


def test_a_provider_has_an_issuer_a_client_and_roles(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept-elsewhere\n")
    doors = load_settings(VALID | OIDC | {"TELEMETRY_OIDC_CLIENT_SECRET_FILE": str(secret)}).doors
    assert doors.provider is not None
    assert doors.provider.issuer == "https://id.example/realms/main/"
    assert doors.provider.client_secret is not None
    assert doors.provider.client_secret.get_secret_value() == "kept-elsewhere"
    assert doors.provider.scopes == ("openid", "profile")
    assert doors.provider.roles == RoleMapping("roles", frozenset({"admins", "owners"}), frozenset())
    assert "kept-elsewhere" not in repr(doors)


def test_a_gateway_has_keys_an_issuer_an_audience_and_roles() -> None:
    gateway = load_settings(VALID | GATEWAY | {"TELEMETRY_LOCAL_LOGIN": "false"}).doors.gateway
    assert gateway is not None
    assert (gateway.header, gateway.roles.viewers) == ("X-Control-Core-Identity", frozenset({"staff"}))
    assert gateway.lifetime == timedelta(hours=1)
    longer = load_settings(VALID | GATEWAY | {"TELEMETRY_IDENTITY_LIFETIME_MINUTES": "1440"}).doors.gateway
    assert longer is not None
    assert longer.lifetime == timedelta(hours=24)


CONTRADICTIONS: dict[str, dict[str, str]] = {
    "TELEMETRY_OIDC_ISSUER needs TELEMETRY_OIDC_CLIENT_ID": _without(OIDC, "TELEMETRY_OIDC_CLIENT_ID"),
    "TELEMETRY_OIDC_CLIENT_ID needs TELEMETRY_OIDC_ISSUER": _without(OIDC, "TELEMETRY_OIDC_ISSUER"),
    "TELEMETRY_OIDC_SCOPES needs TELEMETRY_OIDC_ISSUER": {"TELEMETRY_OIDC_SCOPES": "openid"},
    "needs TELEMETRY_OIDC_ADMIN_ROLES or": _without(OIDC, "TELEMETRY_OIDC_ADMIN_ROLES"),
    "name the same role": OIDC | {"TELEMETRY_OIDC_VIEWER_ROLES": "staff,admins"},
    "openid among them": OIDC | {"TELEMETRY_OIDC_SCOPES": "profile"},
    "must contain names": OIDC | {"TELEMETRY_OIDC_ADMIN_ROLES": "admins,"},
    "TELEMETRY_IDENTITY_ISSUER needs TELEMETRY_IDENTITY_JWKS": _without(GATEWAY, "TELEMETRY_IDENTITY_JWKS"),
    "TELEMETRY_IDENTITY_JWKS needs TELEMETRY_IDENTITY_AUDIENCE": _without(GATEWAY, "TELEMETRY_IDENTITY_AUDIENCE"),
    "TELEMETRY_IDENTITY_HEADER needs": {"TELEMETRY_IDENTITY_HEADER": "X-Me"},
    "TELEMETRY_IDENTITY_LIFETIME_MINUTES needs": {"TELEMETRY_IDENTITY_LIFETIME_MINUTES": "5"},
    "TELEMETRY_IDENTITY_PROXY_URL is for": {"TELEMETRY_IDENTITY_PROXY_URL": "http://u:w@proxy.example:3128"},
    "no header with another meaning": GATEWAY | {"TELEMETRY_IDENTITY_HEADER": "Cookie"},
    "needs TELEMETRY_IDENTITY_ADMIN_ROLES or": _without(GATEWAY, "TELEMETRY_IDENTITY_VIEWER_ROLES"),
    "the provider sends people back there": _without(OIDC, "TELEMETRY_PUBLIC_URL"),
    "no one could log in": {"TELEMETRY_LOCAL_LOGIN": "false"},
    "TELEMETRY_LOCAL_LOGIN closes": OIDC
    | {"TELEMETRY_LOCAL_LOGIN": "false", "TELEMETRY_ADMIN_PASSWORD": "correct horse battery"},
}


@each("problem", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_an_error_of_the_start(problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(VALID | CONTRADICTIONS[problem])
    assert problem in str(refused.value)


READ_FOR_SOMETHING_ELSE = (
    *("Accept", "Accept-Encoding", "Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Cookie"),
    *("Forwarded", "Host", "HX-Current-URL", "HX-Request", "Idempotency-Key", "If-Match", "Origin", "Referer"),
    *(
        "Sec-Fetch-Site",
        "Transfer-Encoding",
        "User-Agent",
        "X-CSRF-Token",
        "X-Forwarded-For",
        "X-Forwarded-Prefix",
    ),
    *("X-Forwarded-Proto", "X-History-Query", "X-Polling", "X-Restored"),
)
ONLY_A_NAME = ("X-Control-Core-Identity", "Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Identity")


def test_no_header_that_means_something_else_says_who_someone_is() -> None:
    for name in READ_FOR_SOMETHING_ELSE:
        with pytest.raises(SettingsError, match="no header with another meaning"):
            load_settings(VALID | GATEWAY | {"TELEMETRY_IDENTITY_HEADER": name})
    for name in ONLY_A_NAME:
        gateway = load_settings(VALID | GATEWAY | {"TELEMETRY_IDENTITY_HEADER": name}).doors.gateway
        assert gateway is not None
        assert gateway.header == name


ROLES = RoleMapping("realm_access.roles", frozenset({"admins"}), frozenset({"staff"}))
URL = RoleMapping("https://id.example/roles", frozenset({"admins"}), frozenset({"staff"}))
CLAIMS: list[tuple[RoleMapping, dict[str, object], Role | None]] = [
    (ROLES, {"realm_access": {"roles": ["staff", "admins"]}}, Role.ADMINISTRATOR),
    (ROLES, {"realm_access": {"roles": ["staff"]}}, Role.VIEWER),
    (ROLES, {"realm_access": {"roles": "staff"}}, Role.VIEWER),
    (ROLES, {"realm_access": {"roles": ["others"]}}, None),
    (ROLES, {"realm_access": {"roles": [["admins"], {"admins": 1}, None]}}, None),
    (ROLES, {"realm_access": "roles"}, None),
    (ROLES, {"roles": ["admins"]}, None),
    (ROLES, {}, None),
    (URL, {"https://id.example/roles": ["admins"]}, Role.ADMINISTRATOR),
]


@each(("mapping", "claims", "role"), CLAIMS)
def test_a_role_is_found_by_the_name_of_its_claim_or_by_its_path(
    mapping: RoleMapping, claims: dict[str, object], role: Role | None
) -> None:
    assert mapping.role_of(claims) is role
