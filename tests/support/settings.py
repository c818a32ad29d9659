"""The settings of a deployment in a test: like anybody's, but for what the test is about."""

from dataclasses import replace
from datetime import timedelta

from pydantic import SecretBytes, SecretStr

from telemetry_service.sealing.keyring import generate_key
from telemetry_service.settings import Settings, load_settings

ENCRYPTION_KEY = bytes(range(32))
VERSION = "1.2.3"


def settings_for(
    database_url: str,
    license_server_url: str | None,
    customer_id: str | None,
    encryption_keys: tuple[bytes, ...] = (ENCRYPTION_KEY,),
) -> Settings:
    """Return the settings of a deployment; a test replaces what else it is about."""
    keys = {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()}
    return replace(
        load_settings(keys),
        encryption_keys=tuple(map(SecretBytes, encryption_keys)),
        database_url=SecretStr(database_url),
        license_server_url=SecretStr(license_server_url) if license_server_url else None,
        customer_id=customer_id,
        deployment_version=VERSION,
        send_spread=timedelta(0),
    )
