"""What the settings accept, the rooms that use it accept too: nothing is left to fail after the start."""

import base64
import string

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from telemetry_service.domain.errors import SettingsError
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.sealing.keyring import KeyRing, generate_key
from telemetry_service.sealing.receipt import ReceiptKey
from telemetry_service.settings import Settings, load_settings
from tests.settings.keys import VALID

PUBLIC_KEY = Ed25519PrivateKey.generate().public_key()
RAW = base64.urlsafe_b64encode(PUBLIC_KEY.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
PEM = PUBLIC_KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

PIECES = st.lists(
    st.sampled_from(
        [*string.ascii_lowercase[:4], "A", "0", "7", ".", "-", "_", ":", "@", "/", "[", "]", "::1", "%41", "?"]
    ),
    max_size=12,
).map("".join)


def accepted(name: str, value: str) -> Settings | None:
    try:
        return load_settings(VALID | {name: value})
    except SettingsError:
        return None


def keys_in(text: str) -> tuple[bytes, ...]:
    settings = load_settings(VALID | {"ENCRYPTION_KEY": text})
    return tuple(key.get_secret_value() for key in settings.encryption_keys)


def test_a_generated_key_is_a_setting_and_a_key_of_the_ring() -> None:
    KeyRing(keys_in(f"{generate_key()},{generate_key()}"))


def test_several_keys_are_read_in_their_order_with_blanks_and_padding() -> None:
    new, old = generate_key(), generate_key()
    assert keys_in(f" {new}= , {old}\n") == keys_in(new) + keys_in(old)


def test_the_spare_bits_of_the_last_character_of_a_key_do_not_matter() -> None:
    beginning = generate_key()[:42]
    assert keys_in(f"{beginning}A") == keys_in(f"{beginning}B")


@pytest.mark.parametrize(
    "text", [RAW, RAW.rstrip("="), PEM, PEM.replace("\n", "\\n")], ids=["raw", "bare", "pem", "one line"]
)
def test_a_pinned_key_that_the_settings_accept_can_be_pinned(text: str) -> None:
    settings = load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": text})
    assert settings.license_server_public_key is not None
    ReceiptKey.parse(settings.license_server_public_key)


@given(st.binary(min_size=32, max_size=32).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_32_bytes_can_be_pinned(text: str) -> None:
    settings = load_settings(VALID | {"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": text})
    assert settings.license_server_public_key is not None
    ReceiptKey.parse(settings.license_server_public_key)


@given(st.sampled_from(["postgresql://", "postgres://", "sqlite:///"]), PIECES)
def test_a_database_url_that_the_settings_accept_is_one_for_the_database(scheme: str, rest: str) -> None:
    settings = accepted("TELEMETRY_DATABASE_URL", f"{scheme}{rest}")
    if settings is not None:
        url = make_url(settings.database_url.get_secret_value())
        assert url.database
        assert url.get_backend_name() in {"sqlite", "postgresql"}


@given(st.sampled_from(["https://", "HTTPS://"]), PIECES)
def test_an_address_that_the_settings_accept_is_one_for_the_client(scheme: str, rest: str) -> None:
    settings = accepted("TELEMETRY_LICENSE_SERVER_URL", f"{scheme}{rest}")
    if settings is not None and settings.license_server_url is not None:
        LicenseServerClient(Endpoint(settings.license_server_url.get_secret_value()))


@given(st.sampled_from(["http://", "https://", "HTTP://"]), PIECES)
def test_a_proxy_that_the_settings_accept_is_one_for_the_client(scheme: str, rest: str) -> None:
    settings = accepted("TELEMETRY_PROXY_URL", f"{scheme}{rest}")
    if settings is not None and settings.proxy_url is not None:
        LicenseServerClient(Endpoint("https://license.example", proxy_url=settings.proxy_url.get_secret_value()))
