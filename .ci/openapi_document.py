"""Writes the description of the API to standard output, as a running service serves it."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from telemetry_service.app import create_app
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options
from telemetry_service.settings import load_settings
from telemetry_service.web.api.openapi import describe


def main() -> None:
    """Write it."""
    with TemporaryDirectory() as folder:
        settings = load_settings(
            {
                "ENCRYPTION_KEY": generate_key(),
                "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
                "TELEMETRY_DATABASE_URL": f"sqlite:///{Path(folder) / 'telemetry.db'}",
            }
        )
        json.dump(describe(create_app(settings, Options(scheduled=False))), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
