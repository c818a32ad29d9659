"""``telemetry-service license-server``: the reference License Server, for trying things out."""

import os
import re
import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.folders import written_into
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import say, say_on_stderr
from telemetry_service.domain.errors import TelemetryError

if TYPE_CHECKING:
    from telemetry_service.reference.options import ReferenceOptions
    from telemetry_service.reference.serve import Listening

Folder = Annotated[Path, typer.Option(help="Folder for its data, keys, and temporary certificate authority.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 lets the system choose.")]
Customer = Annotated[str, typer.Option(help="The customer that its API key belongs to.")]
Bundle = Annotated[Path | None, typer.Option("--bundle", help="Take in this bundle, write its receipts, and exit.")]
ReceiptsFile = Annotated[Path, typer.Option("--receipts", help="Where to write the receipts of a bundle.")]
Encrypted = Annotated[bool, typer.Option("--require-encryption", help="Refuse unencrypted payloads.")]


class BundleRefusedError(TelemetryError):
    """The file is not a bundle, or cannot be used."""

    code = "bundle-refused"
    sentence = "This is not a bundle of transmissions. Nothing was accepted."


def license_server(
    *,
    folder: Folder = Path("license-server-data"),
    port: Port = 8443,
    customer_id: Customer = "cus_Reference01",
    require_encryption: Encrypted = False,
    bundle: Bundle = None,
    receipts: ReceiptsFile = Path("receipts.json"),
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
    if bundle is not None:
        _take(bundle, receipts, options)
        return
    with until_stopped():
        try:
            serve(options, lambda listening: _announce(listening, options, customer_id))
        except OSError:
            message = f"Cannot listen on port {port}; choose another one with --port."
            raise CannotListenError(message) from None


def _take(bundle: Path, receipts: Path, options: "ReferenceOptions") -> None:
    """Take in a bundle with the same store and keys that the server has, whether it runs or not."""
    from telemetry_service.reference.intake import MAX_BUNDLE_BYTES, take_bundle
    from telemetry_service.reference.receipts import load_signer
    from telemetry_service.reference.receiver import Receiver
    from telemetry_service.reference.refusals import RefusalError
    from telemetry_service.reference.store import Store

    signer = load_signer(options.signing_key_file)
    with closing(Store(options.store)) as store:
        for grant in options.grants:
            store.add_key(grant.api_key, grant.customer_id)
        receiver = Receiver(store, require_encryption=options.require_encryption)
        try:
            with bundle.open("rb") as file:
                taken = take_bundle(file.read(MAX_BUNDLE_BYTES + 1), receiver, signer, options.licenses)
            receipts.write_bytes(taken.content)
        except RefusalError as refusal:
            message = f"{BundleRefusedError.sentence} ({refusal.reason.value})"
            raise BundleRefusedError(message) from None
        except OSError:
            message = f"{bundle} cannot be read, or {receipts} cannot be written."
            raise BundleRefusedError(message) from None
    for transmission_id, code in taken.codes.items():
        say(f"{transmission_id}: refused ({code})")
    accepted = len(taken.receipts) - taken.duplicates
    say(f"Accepted: {accepted}. Duplicates: {taken.duplicates}. Refused: {len(taken.refused)}. Written to {receipts}")


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
