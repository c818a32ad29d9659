"""``telemetry-service generate-key``."""

from telemetry_service.cli.output import say


def generate_key() -> None:
    """Generate an encryption key. Use it for ENCRYPTION_KEY or CREDENTIAL_ENCRYPTION_KEY (each needs its own)."""
    from telemetry_service.sealing import keyring

    say(keyring.generate_key())
