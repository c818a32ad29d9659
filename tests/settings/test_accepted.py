"""What a deployment can set, and what it gets where it sets nothing."""

from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from telemetry_service import __version__
from telemetry_service.domain.configuration import Delivery
from telemetry_service.domain.locks import Setting
from telemetry_service.domain.schedule import Frequency
from telemetry_service.settings import load_settings
from tests.settings.keys import CREDENTIAL_KEY, ENCRYPTION_KEY, OLDER_KEY, VALID


def test_two_keys_are_all_that_a_deployment_must_set() -> None:
    settings = load_settings(VALID)
    assert settings.database_url.get_secret_value() == "sqlite:///data/telemetry.db"
    assert settings.license_server_url is None
    assert settings.telemetry_enabled
    assert settings.deployment_version == __version__
    assert settings.send_spread == timedelta(seconds=300)
    assert settings.max_bouncers == 100_000
    assert (settings.metrics_address, settings.metrics_port) == ("127.0.0.1", None)
    assert (settings.demo_mode, settings.ephemeral_keys) == (False, False)


def test_keys_are_lists_with_the_newest_first() -> None:
    settings = load_settings(VALID | {"ENCRYPTION_KEY": f"{OLDER_KEY}, {ENCRYPTION_KEY.rstrip('=')}"})
    assert [key.get_secret_value() for key in settings.encryption_keys] == [bytes(range(64, 96)), bytes(range(32))]
    assert [key.get_secret_value() for key in settings.credential_encryption_keys] == [bytes(range(32, 64))]


def test_the_demo_mode_makes_throw_away_keys_and_says_so() -> None:
    first, second = load_settings({"DEMO_MODE": "true"}), load_settings({"DEMO_MODE": "true"})
    assert first.ephemeral_keys
    assert first.encryption_keys != second.encryption_keys
    assert first.encryption_keys != first.credential_encryption_keys


def test_the_demo_mode_keeps_the_keys_that_are_set() -> None:
    settings = load_settings(VALID | {"DEMO_MODE": "TRUE"})
    assert settings.demo_mode
    assert not settings.ephemeral_keys


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////var/lib/telemetry/telemetry.db", "sqlite:////var/lib/telemetry/telemetry.db"),
        ("postgresql://u:p%40ss@db:5432/telemetry", "postgresql+psycopg://u:p%40ss@db:5432/telemetry"),
        ("postgres://u@db/telemetry?sslmode=require", "postgresql+psycopg://u@db/telemetry?sslmode=require"),
        ("postgresql+psycopg://u@/telemetry?host=/run/pg", "postgresql+psycopg://u@/telemetry?host=/run/pg"),
        ("postgresql://u:p@[::1]:5432/telemetry", "postgresql+psycopg://u:p@[::1]:5432/telemetry"),
    ],
)
def test_a_database_url_names_its_driver(url: str, expected: str) -> None:
    assert load_settings(VALID | {"TELEMETRY_DATABASE_URL": url}).database_url.get_secret_value() == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://license.example", "https://license.example"),
        ("https://license.example:8443/base/", "https://license.example:8443/base"),
        ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
    ],
)
def test_the_license_server_is_an_https_address(url: str, expected: str) -> None:
    found = load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_URL": url}).license_server_url
    assert found is not None
    assert found.get_secret_value() == expected


def test_an_address_without_a_host_is_one_that_is_not_configured() -> None:
    assert load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_URL": "https://"}).license_server_url is None


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = load_settings(VALID | {"TELEMETRY_ENABLED": "", "TELEMETRY_CUSTOMER_ID": "", "ENCRYPTION_KEY_FILE": ""})
    assert settings.telemetry_enabled
    assert settings.customer_id is None


def test_a_deployment_can_switch_telemetry_off_for_good() -> None:
    assert not load_settings(VALID | {"TELEMETRY_ENABLED": "false"}).telemetry_enabled


def test_the_remaining_variables_arrive_as_they_were_set(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    settings = load_settings(
        VALID
        | {
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(authority),
            "TELEMETRY_PROXY_URL": "http://user:word@proxy.example:3128/",
            "TELEMETRY_CUSTOMER_ID": "cus_Nffrfeu1dQ",
            "TELEMETRY_DELIVERY": "bundle",
            "TELEMETRY_LEDGER_HEAD_FILE": str(tmp_path / "head"),
            "TELEMETRY_DEPLOYMENT_VERSION": "2.5.0-rc1",
            "TELEMETRY_ADMIN_PASSWORD": "correct horse battery",
            "TELEMETRY_BOOTSTRAP_TOKEN": "0123456789abcdef0123456789ABCDEF",
            "TELEMETRY_SEND_SPREAD_SECONDS": "0",
        }
    )
    assert settings.license_server_ca_file == authority
    assert settings.proxy_url is not None
    assert settings.proxy_url.get_secret_value() == "http://user:word@proxy.example:3128"
    assert (settings.customer_id, settings.deployment_version) == ("cus_Nffrfeu1dQ", "2.5.0-rc1")
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "correct horse battery"
    assert settings.send_spread == timedelta(0)
    assert settings.delivery is Delivery.BUNDLE
    assert settings.ledger_head_file == tmp_path / "head"
    assert load_settings(VALID).delivery is Delivery.ONLINE


def test_what_the_deployment_sets_in_the_place_of_an_administrator_is_locked() -> None:
    settings = load_settings(
        VALID
        | {
            "TELEMETRY_API_KEY": "ck_live_0123456789abcdef",
            "TELEMETRY_CONFIG_FREQUENCY": "monthly",
            "TELEMETRY_CONFIG_ENCRYPT_PAYLOAD": "TRUE",
            "TELEMETRY_CONFIG_ANONYMIZE_PII": "false",
            "TELEMETRY_CONFIG_RETENTION_DAYS": "365",
        }
    )
    given = settings.configured.values.model_dump(exclude_unset=True)
    assert given == {
        "frequency": Frequency.MONTHLY,
        "encrypt_payload": True,
        "anonymize_pii": False,
        "retention_days": 365,
    }
    assert settings.configured.api_key is not None
    assert settings.configured.api_key.get_secret_value() == "ck_live_0123456789abcdef"
    assert set(settings.configured.locked) == set(Setting) - {Setting.ENABLED}
    assert load_settings(VALID).configured.locked == ()


@pytest.mark.parametrize("lost_line_ends", [True, False])
def test_a_pinned_public_key_may_be_pem(*, lost_line_ends: bool) -> None:
    pem = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = pem.decode().replace("\n", "\\n") if lost_line_ends else pem.decode()
    settings = load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": text})
    assert settings.license_server_public_key == pem.decode().strip()


def test_a_pinned_public_key_may_be_its_bytes_in_base64() -> None:
    settings = load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": ENCRYPTION_KEY})
    assert settings.license_server_public_key == ENCRYPTION_KEY


def test_each_secret_may_come_from_a_file_with_a_closing_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{ENCRYPTION_KEY}\n")
    settings = load_settings({"ENCRYPTION_KEY_FILE": str(secret), "CREDENTIAL_ENCRYPTION_KEY": CREDENTIAL_KEY})
    assert [key.get_secret_value() for key in settings.encryption_keys] == [bytes(range(32))]


def test_the_variable_of_the_test_suite_does_no_harm() -> None:
    load_settings(VALID | {"TELEMETRY_TEST_DATABASE_URL": "postgresql://localhost/test"})


def test_settings_cannot_be_changed_and_show_no_secret() -> None:
    secrets = {
        "TELEMETRY_DATABASE_URL": "postgresql://u:canary-one@db/telemetry",
        "TELEMETRY_LICENSE_SERVER_URL": "https://canary-two.example",
        "TELEMETRY_PROXY_URL": "http://u:canary-three@proxy:1",
        "TELEMETRY_IDENTITY_JWKS": "https://console.example/keys",
        "TELEMETRY_IDENTITY_ISSUER": "https://console.example",
        "TELEMETRY_IDENTITY_AUDIENCE": "telemetry",
        "TELEMETRY_IDENTITY_ADMIN_ROLES": "admins",
        "TELEMETRY_IDENTITY_PROXY_URL": "http://u:canary-six@proxy:1",
        "TELEMETRY_ADMIN_PASSWORD": "canary-four-of-four",
        "TELEMETRY_BOOTSTRAP_TOKEN": "canary-five-of-five-0123456789abcdef",
        "TELEMETRY_API_KEY": "canary-seven-0123456789",
    }
    settings = load_settings(VALID | secrets)
    assert "canary" not in f"{settings!r}{settings!s}"
    assert repr(bytes(range(32)))[2:20] not in repr(settings)
    with pytest.raises(AttributeError):
        settings.demo_mode = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Console.Example", "https://console.example"),
        ("https://console.example:443/", "https://console.example"),
        ("http://localhost:8080/telemetry/", "http://localhost:8080/telemetry"),
        ("https://[2001:db8::1]:8443/a/b.c~d", "https://[2001:db8::1]:8443/a/b.c~d"),
        ("https://console.example/api/telemetry", "https://console.example/api/telemetry"),
    ],
)
def test_the_public_url_is_an_origin_and_perhaps_a_path(url: str, expected: str) -> None:
    assert str(load_settings(VALID | {"TELEMETRY_PUBLIC_URL": url}).public_url) == expected
    assert load_settings(VALID).public_url is None


def test_frame_ancestors_are_origins() -> None:
    named = load_settings(VALID | {"TELEMETRY_FRAME_ANCESTORS": "https://A.example, https://b.example:8443/"})
    assert named.frame_ancestors == ("https://a.example", "https://b.example:8443")
    assert load_settings(VALID).frame_ancestors == ()


def test_the_console_has_an_address_and_perhaps_a_path() -> None:
    for text, address in (("https://Console.example/", "https://console.example"), ("https://a.example/cc", None)):
        assert str(load_settings(VALID | {"TELEMETRY_CONSOLE_URL": text}).console_url) == (address or text)
    assert load_settings(VALID).console_url is None


def test_trusted_proxies_are_addresses_and_networks_of_both_families() -> None:
    assert load_settings(VALID).trusted_proxies == ()
    named = load_settings(VALID | {"TELEMETRY_TRUSTED_PROXIES": "10.0.0.7, fd00::/8,::1 ,192.168.0.0/16"})
    assert named.trusted_proxies == ("10.0.0.7/32", "fd00::/8", "::1/128", "192.168.0.0/16")
