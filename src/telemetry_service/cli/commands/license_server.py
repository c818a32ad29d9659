"""``telemetry-service license-server``: the reference License Server, for trying things out."""

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.folders import written_into
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import say, say_on_stderr

if TYPE_CHECKING:
    from telemetry_service.reference.options import ReferenceOptions
    from telemetry_service.reference.serve import Listening

Folder = Annotated[Path, typer.Option(help="Folder for its data, keys, and temporary certificate authority.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 lets the system choose.")]
Customer = Annotated[str, typer.Option(help="The customer that its API key belongs to.")]
Encrypted = Annotated[bool, typer.Option("--require-encryption", help="Refuse unencrypted payloads.")]


def license_server(
    *,
    folder: Folder = Path("license-server-data"),
    port: Port = 8443,
    customer_id: Customer = "cus_Reference01",
    require_encryption: Encrypted = False,
) -> None:
    """Run the reference License Server. It is for trials and tests on this machine, not the vendor's server.

    It reads none of the service's settings. It prints the settings that a service needs to reach it.
    """
    from telemetry_service.cli.listening import CannotListenError
    from telemetry_service.cli.server import until_stopped
    from telemetry_service.domain.clock import SystemClock
    from telemetry_service.domain.payload import CUSTOMER_ID_PATTERN
    from telemetry_service.reference.background import temporary_options
    from telemetry_service.reference.options import Grant
    from telemetry_service.reference.serve import serve

    if not re.fullmatch(CUSTOMER_ID_PATTERN, customer_id, re.ASCII):
        message = "must be cus_ followed by 6 to 64 letters and digits."
        raise typer.BadParameter(message, param_hint="--customer-id")
    with written_into(folder):
        grant = Grant(api_key=_api_key(folder / "api-key"), customer_id=customer_id)
        options = temporary_options(
            folder, SystemClock().now(), [grant], port=port, require_encryption=require_encryption
        ).model_copy(update={"control_token": None})
    resume_collection()
    with until_stopped():
        try:
            serve(options, lambda listening: _announce(listening, options, customer_id))
        except OSError:
            message = f"Cannot listen on port {port}; choose another one with --port."
            raise CannotListenError(message) from None


def _api_key(file: Path) -> str:
    """Return the API key in the folder, or generate one."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as new:
            new.write(f"ck_{secrets.token_urlsafe(24)}\n")
    return file.read_text().strip()


def _announce(listening: "Listening", options: "ReferenceOptions", customer_id: str) -> None:
    say_on_stderr(
        "This is the reference License Server, for trials and tests. Press Ctrl-C to stop it. To connect a service,"
        " set:"
    )
    say(f"TELEMETRY_LICENSE_SERVER_URL={listening.url}")
    say(f"TELEMETRY_LICENSE_SERVER_CA_FILE={Path(str(options.ca_file)).resolve()}")
    say(f"TELEMETRY_LICENSE_SERVER_PUBLIC_KEY={listening.public_key}")
    say(f"TELEMETRY_CUSTOMER_ID={customer_id}")
    say_on_stderr(f"The API key to enter is in {options.store.parent.resolve() / 'api-key'}")
