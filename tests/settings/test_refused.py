"""What stops the service at its start: each fault is named by its variable, and no value is ever shown."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry_service.domain.errors import SettingsError
from telemetry_service.settings import FILE_BYTES_MAXIMUM, KNOWN_VARIABLES, load_settings
from tests.settings.keys import CREDENTIAL_KEY, ENCRYPTION_KEY, VALID
from tests.support.each import each

SECRETS = sorted(name for name in KNOWN_VARIABLES if f"{name}_FILE" in KNOWN_VARIABLES)


def problems_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.problems


def refusal_of(environ: dict[str, str]) -> SettingsError | None:
    try:
        load_settings(environ)
    except SettingsError as error:
        return error
    return None


def only_problem(changes: dict[str, str]) -> str:
    (problem,) = problems_of(VALID | changes)
    return problem


def test_without_its_keys_the_service_refuses_to_start_and_says_how_to_make_them() -> None:
    problems = problems_of({})
    assert [problem.split()[0] for problem in problems] == ["ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY"]
    assert all("telemetry-service generate-key" in problem and "DEMO_MODE=true" in problem for problem in problems)


def test_demo_mode_false_starts_no_more_without_keys_than_silence_does() -> None:
    assert problems_of({"DEMO_MODE": "false"}) == problems_of({})


def test_receipts_cannot_be_required_without_a_key_that_verifies_them() -> None:
    problem = only_problem({"TELEMETRY_REQUIRE_RECEIPT": "true"})
    assert problem.startswith("TELEMETRY_REQUIRE_RECEIPT needs TELEMETRY_LICENSE_SERVER_PUBLIC_KEY")
    wrong = {"TELEMETRY_REQUIRE_RECEIPT": "true", "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": "not a key"}
    assert only_problem(wrong).startswith("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY must be")


def test_subdomains_are_decided_about_only_for_a_public_url_with_tls() -> None:
    for url in ({}, {"TELEMETRY_PUBLIC_URL": "http://console.example"}):
        assert only_problem({"TELEMETRY_HSTS_SUBDOMAINS": "true", **url}).startswith("TELEMETRY_HSTS_SUBDOMAINS needs")
    wrong = {"TELEMETRY_HSTS_SUBDOMAINS": "true", "TELEMETRY_PUBLIC_URL": "console.example"}
    assert only_problem(wrong).startswith("TELEMETRY_PUBLIC_URL must")


def test_a_key_may_not_serve_both_purposes() -> None:
    problem = only_problem({"CREDENTIAL_ENCRYPTION_KEY": f"{CREDENTIAL_KEY},{ENCRYPTION_KEY}"})
    assert problem.startswith("CREDENTIAL_ENCRYPTION_KEY shares a key with ENCRYPTION_KEY")


@each(
    ("name", "value"),
    [
        ("DEMO_MODE", "1"),
        ("TELEMETRY_ENABLED", "no"),
        ("TELEMETRY_RELEASE", "perhaps"),
        ("TELEMETRY_IDENTITY_LIFETIME_MINUTES", "0000"),
        ("TELEMETRY_IDENTITY_LIFETIME_MINUTES", "1441"),
        ("TELEMETRY_IDENTITY_LIFETIME_MINUTES", "1.5"),
        ("TELEMETRY_IDENTITY_LIFETIME_MINUTES", "1h"),
        ("TELEMETRY_NEW_FIELD_NOTICE_HOURS", "0000"),
        ("TELEMETRY_NEW_FIELD_NOTICE_HOURS", "8761"),
        ("TELEMETRY_NEW_FIELD_NOTICE_HOURS", "-1"),
        ("TELEMETRY_NEW_FIELD_NOTICE_HOURS", "3 days"),
        ("TELEMETRY_REQUIRE_FIELD_APPROVAL", "yes"),
        ("TELEMETRY_REQUIRE_RECEIPT", "yes"),
        ("TELEMETRY_API_KEY", "canary"),
        ("TELEMETRY_API_KEY", "canary-" * 4),
        ("TELEMETRY_API_KEY", "canary with spaces in it"),
        ("TELEMETRY_CONFIG_FREQUENCY", "Weekly"),
        ("TELEMETRY_CONFIG_FREQUENCY", "hourly"),
        ("TELEMETRY_CONFIG_ENCRYPT_PAYLOAD", "1"),
        ("TELEMETRY_CONFIG_ANONYMIZE_PII", "on"),
        ("TELEMETRY_CONFIG_RETENTION_DAYS", "31"),
        ("TELEMETRY_CONFIG_RETENTION_DAYS", "030"),
        ("TELEMETRY_CONFIG_RETENTION_DAYS", "30d"),
        ("TELEMETRY_MAX_BOUNCERS", "0000000"),
        ("TELEMETRY_MAX_BOUNCERS", "1000001"),
        ("TELEMETRY_MAX_BOUNCERS", "-5"),
        ("TELEMETRY_MAX_BOUNCERS", "many"),
        ("TELEMETRY_METRICS_PORT", "0"),
        ("TELEMETRY_METRICS_PORT", "65536"),
        ("TELEMETRY_METRICS_PORT", "tcp://10.0.0.1:80"),
        ("TELEMETRY_METRICS_ADDRESS", "localhost"),
        ("TELEMETRY_METRICS_ADDRESS", "127.0.0.1:9464"),
        ("TELEMETRY_LEDGER_FINGERPRINT", "0" * 63),
        ("TELEMETRY_LEDGER_FINGERPRINT", "sha256:" + "0" * 64),
        ("TELEMETRY_LEDGER_RETENTION_DAYS", "364"),
        ("TELEMETRY_LEDGER_RETENTION_DAYS", "ten years"),
        ("TELEMETRY_EXTENSION_CODE_PATTERN", "EXT-["),
        ("TELEMETRY_EXTENSION_CODE_PATTERN", "EXT-(?!0).*"),
        ("TELEMETRY_EXTENSION_CODE_PATTERN", "EXT-.* "),
        ("TELEMETRY_EXTENSION_CODE_PATTERN", "x" * 201),
        ("ENCRYPTION_KEY", "too-short"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY + ","),
        ("ENCRYPTION_KEY", f"{ENCRYPTION_KEY},{ENCRYPTION_KEY}"),
        ("ENCRYPTION_KEY", "A" * 43 + "="),
        ("ENCRYPTION_KEY", "+" * 43),
        ("ENCRYPTION_KEY", f"{ENCRYPTION_KEY}, "),
        ("ENCRYPTION_KEY", f"{ENCRYPTION_KEY},too-short"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY[:42]),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY + "A"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY[:42] + "!"),
        ("ENCRYPTION_KEY", ENCRYPTION_KEY + "=="),
        ("ENCRYPTION_KEY", "é" * 43),
        ("CREDENTIAL_ENCRYPTION_KEY", "\udcff" * 43),
        ("TELEMETRY_DATABASE_URL", "mysql://u:p@db/telemetry"),
        ("TELEMETRY_DATABASE_URL", "sqlite:telemetry.db"),
        ("TELEMETRY_DATABASE_URL", "sqlite:///:memory:"),
        ("TELEMETRY_DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@db"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@db:port/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@ss@db/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@db:65536/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@db:0/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@db..example/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql://u:p@a data base/telemetry"),
        ("TELEMETRY_DATABASE_URL", "postgresql+asyncpg://u:p@db/telemetry"),
        ("TELEMETRY_TRUSTED_PROXIES", "*"),
        ("TELEMETRY_OIDC_ISSUER", "http://id.example"),
        ("TELEMETRY_OIDC_ISSUER", "https://user@id.example"),
        ("TELEMETRY_OIDC_ISSUER", "https://id.example?x=1"),
        ("TELEMETRY_IDENTITY_JWKS", "http://id.example/keys"),
        ("TELEMETRY_IDENTITY_JWKS", "/nowhere/keys.json"),
        ("TELEMETRY_LOCAL_LOGIN", "no"),
        ("TELEMETRY_TRUSTED_PROXIES", "proxy.example"),
        ("TELEMETRY_TRUSTED_PROXIES", "10.0.0.7,"),
        ("TELEMETRY_TRUSTED_PROXIES", "10.0.0.7/8"),
        ("TELEMETRY_TRUSTED_PROXIES", "10.0.0.7:80"),
        ("TELEMETRY_TRUSTED_PROXIES", "10.0.0.7 10.0.0.8"),
        ("TELEMETRY_PUBLIC_URL", "console.example"),
        ("TELEMETRY_PUBLIC_URL", "ftp://console.example"),
        ("TELEMETRY_PUBLIC_URL", "https://"),
        ("TELEMETRY_PUBLIC_URL", "https://user@console.example"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/?x=1"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/#x"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/a//b"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/a/../b"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/a/."),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/a%20b"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/settings"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/login/"),
        ("TELEMETRY_PUBLIC_URL", "https://console.example/api/v1/telemetry"),
        ("TELEMETRY_PUBLIC_URL", f"https://console.example/{'x' * 200}"),
        ("TELEMETRY_CONSOLE_URL", "console.example"),
        ("TELEMETRY_CONSOLE_URL", "javascript:alert(1)"),
        ("TELEMETRY_FRAME_ANCESTORS", "*"),
        ("TELEMETRY_FRAME_ANCESTORS", "console.example"),
        ("TELEMETRY_FRAME_ANCESTORS", "https://console.example/page"),
        ("TELEMETRY_FRAME_ANCESTORS", "https://console.example,"),
        ("TELEMETRY_FRAME_ANCESTORS", "https://*.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "http://license.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "license.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://user@license.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license.example?x=1"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license.example/#x"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license.example:99999"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license.example:"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license\n.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://[::1"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://][::1"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://[::1]x"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://x[::1]:8443"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://:8443"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://license..example"),
        ("TELEMETRY_LICENSE_SERVER_URL", "https://-license.example"),
        ("TELEMETRY_LICENSE_SERVER_URL", f"https://{'l' * 64}.example"),
        ("TELEMETRY_LICENSE_SERVER_CA_FILE", "/nonexistent/ca.pem"),
        ("TELEMETRY_LICENSE_SERVER_CA_FILE", "a\x00b"),
        ("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY", "not a key"),
        ("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        ("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nAAAAA\n-----END PUBLIC KEY-----"),
        ("TELEMETRY_PROXY_URL", "socks5://proxy:1080"),
        ("TELEMETRY_PROXY_URL", "http://proxy:3128/path"),
        ("TELEMETRY_PROXY_URL", "http://"),
        ("TELEMETRY_IDENTITY_PROXY_URL", "socks5://proxy:1080"),
        ("TELEMETRY_PROXY_URL", "http://user:password@[::1]x:3128"),
        ("TELEMETRY_CUSTOMER_ID", "cust_1234567"),
        ("TELEMETRY_CUSTOMER_ID", "cus_123456\n"),
        ("TELEMETRY_CUSTOMER_ID", "someone@example.com"),
        ("TELEMETRY_DELIVERY", "offline"),
        ("TELEMETRY_LEDGER_HEAD_FILE", "/nonexistent/head"),
        ("TELEMETRY_LEDGER_HEAD_FILE", "/"),
        ("TELEMETRY_DEPLOYMENT_VERSION", "latest"),
        ("TELEMETRY_DEPLOYMENT_VERSION", "1.2.3 "),
        ("TELEMETRY_ADMIN_PASSWORD", "elevenchars"),
        ("TELEMETRY_ADMIN_PASSWORD", "p" * 1025),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "0123456789abcdef0123456789ABCDE"),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "0123456789abcdef" * 2),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "change-me" * 4),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "a" * 40),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "0123456789abcdef 0123456789ABCDEF"),
        ("TELEMETRY_BOOTSTRAP_TOKEN", "0123456789abcdef" * 17),
        ("TELEMETRY_ADMIN_PASSWORD", "\udcff" * 12),
        ("TELEMETRY_SEND_SPREAD_SECONDS", "3601"),
        ("TELEMETRY_SEND_SPREAD_SECONDS", "-1"),
        ("TELEMETRY_SEND_SPREAD_SECONDS", "1_0"),
        ("TELEMETRY_SEND_SPREAD_SECONDS", "٣"),
        ("TELEMETRY_SEND_SPREAD_SECONDS", "1.5"),
    ],
)
def test_a_malformed_setting_is_named_without_its_value(name: str, value: str) -> None:
    problem = only_problem({name: value})
    assert problem.startswith(f"{name} ")
    assert problem.endswith((".", "generate-key"))
    assert value not in problem


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_an_authority_file_must_hold_a_certificate(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    problem = only_problem({"TELEMETRY_LICENSE_SERVER_CA_FILE": str(tmp_path / "ca.pem")})
    assert problem.startswith("TELEMETRY_LICENSE_SERVER_CA_FILE must be the path of a readable PEM file")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_the_variable_or_from_its_file_but_not_from_both(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file")
    problem = only_problem({name: "from the variable", f"{name}_FILE": str(tmp_path / "secret")})
    assert problem == f"{name} and {name}_FILE are both set; set one of them."


@pytest.mark.parametrize("name", SECRETS)
@each(
    ("content", "reason"),
    [
        (None, "cannot be read as text."),
        (b"\xff\xfe\x00", "cannot be read as text."),
        (b"", "is empty."),
        (b"\n", "is empty."),
        (b"x" * (FILE_BYTES_MAXIMUM + 1), "is too large."),
    ],
)
def test_a_file_without_a_usable_secret_is_refused_by_its_name(
    name: str, content: bytes | None, reason: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    environ = {key: value for key, value in VALID.items() if key != name} | {f"{name}_FILE": str(secret)}
    assert problems_of(environ) == (f"{name}_FILE names a file that {reason}",)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert only_problem({"TELEMETRY_ADMIN_PASSWORD_FILE": str(tmp_path)}).startswith(
        "TELEMETRY_ADMIN_PASSWORD_FILE names"
    )


@each(
    ("name", "hint"),
    [
        ("TELEMETRY_ENABELD", "Did you mean TELEMETRY_ENABLED?"),
        ("TELEMETRY_LICENSE_URL", "Did you mean TELEMETRY_LICENSE_SERVER_URL?"),
        ("TELEMETRY_LICENCE_SERVER_URL", "Did you mean TELEMETRY_LICENSE_SERVER_URL?"),
        ("TELEMETRY_CUSTOMER", "Did you mean TELEMETRY_CUSTOMER_ID?"),
        ("TELEMETRY_enabled", "Did you mean TELEMETRY_ENABLED?"),
        ("TELEMETRY_ENCRYPTION_KEY", "Did you mean ENCRYPTION_KEY?"),
        ("TELEMETRY_PASSWORD", "Did you mean TELEMETRY_ADMIN_PASSWORD?"),
        ("TELEMETRY_ENABLED_FILE", "TELEMETRY_ENABLED is not a secret and cannot be read from a file."),
        ("TELEMETRY_FREQUENCY", "Did you mean TELEMETRY_CONFIG_FREQUENCY?"),
        ("TELEMETRY_APIKEY", "Did you mean TELEMETRY_API_KEY?"),
        ("TELEMETRY_PORT_8080_TCP_ADDR", "enableServiceLinks: false"),
        ("TELEMETRY_SERVICE_HOST", "enableServiceLinks: false"),
    ],
)
def test_an_unknown_telemetry_variable_is_a_fault_even_when_it_is_empty(name: str, hint: str) -> None:
    problem = only_problem({name: ""})
    assert problem.startswith(f"{name} is not a setting of this service.")
    assert hint in problem


@each("rest", ["", "FOO", "HOST", "LOG_COLOR", "URL", "DISABLED", "PORT_NUMBER", "DEBUG", "DEMO"])
def test_no_guess_is_better_than_a_poor_one(rest: str) -> None:
    problem = only_problem({f"TELEMETRY_{rest}": "x"})
    assert problem in {
        f"TELEMETRY_{rest} is not a setting of this service.",
        "TELEMETRY_DEMO is not a setting of this service. Did you mean DEMO_MODE?",
    }


def test_variables_of_other_programs_are_ignored() -> None:
    load_settings(VALID | {"PATH": "/bin", "telemetry_enabled": "maybe", "OTEL_EXPORTER": "x"})


def test_all_faults_are_reported_together() -> None:
    problems = problems_of({"TELEMETRY_ENABLED": "no", "TELEMETRY_CUSTOMER_ID": "x", "TELEMETRY_NONSENSE": "x"})
    assert [problem.split()[0] for problem in problems] == [
        "ENCRYPTION_KEY",
        "CREDENTIAL_ENCRYPTION_KEY",
        "TELEMETRY_CUSTOMER_ID",
        "TELEMETRY_ENABLED",
        "TELEMETRY_NONSENSE",
    ]


# A canary makes a value recognizable; without it, a value such as "a" would be found in any sentence.
CANARY = "qzx-canary"
RUBBISH = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "https://", "postgresql://u:", "sqlite:///", "http://u:", "cus_", ENCRYPTION_KEY, "\n"]),
        st.text(max_size=20),
        st.just(CANARY),
        st.sampled_from(["", "@host/database", ":99999", "?x", "\x00", "\udcff"]),
    ),
)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN_VARIABLES)), RUBBISH, min_size=1))
@example(dict.fromkeys(KNOWN_VARIABLES, CANARY))
def test_whatever_rubbish_a_variable_holds_its_value_never_appears(environ: dict[str, str]) -> None:
    error = refusal_of(environ)
    assert CANARY not in f"{error!r}{error!s}"
    if error is not None:
        assert error.__cause__ is error.__context__ is None
        assert all(any(problem.startswith(name) for name in KNOWN_VARIABLES) for problem in error.problems)
