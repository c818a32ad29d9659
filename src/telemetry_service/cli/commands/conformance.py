"""``telemetry-service conformance``: drives a foreign License Server through the wire protocol."""

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import AsJson, say, say_json

if TYPE_CHECKING:
    from telemetry_service.conformance.check import Result
    from telemetry_service.conformance.message import Customer
    from telemetry_service.conformance.run import Report
    from telemetry_service.conformance.session import Session
    from telemetry_service.license_server.probe import Probe
    from telemetry_service.sealing.receipt import ReceiptKeys

Url = Annotated[str, typer.Argument(metavar="URL", help="Its base URL: https://HOST[:PORT][/PATH].")]
ApiKeyFile = Annotated[
    str, typer.Option("--api-key-file", metavar="FILE", help="The test customer's API key; - reads standard input.")
]
CustomerId = Annotated[str, typer.Option("--customer-id", help="The test customer: cus_ and letters and digits.")]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="PEM file of CAs to trust, in addition to the system's.")
]
PublicKey = Annotated[
    str | None, typer.Option("--public-key", help="The key of its receipts, as a deployment pins it; commas for more.")
]
FormerKeyFile = Annotated[
    str | None, typer.Option("--former-api-key-file", metavar="FILE", help="A key that the customer had before.")
]
OtherKeyFile = Annotated[
    str | None, typer.Option("--other-api-key-file", metavar="FILE", help="The API key of another test customer.")
]
OtherCustomerId = Annotated[str | None, typer.Option("--other-customer-id", help="The other test customer.")]
BundlePath = Annotated[
    str | None, typer.Option("--bundle-path", metavar="PATH", help="Where it takes bundles in, below its base URL.")
]
Only = Annotated[list[str] | None, typer.Option("--check", metavar="NAME", help="Only this check; repeat for several.")]


def conformance(
    url: Url,
    *,
    api_key_file: ApiKeyFile,
    customer_id: CustomerId,
    ca_file: CaFile = None,
    public_key: PublicKey = None,
    former_api_key_file: FormerKeyFile = None,
    other_api_key_file: OtherKeyFile = None,
    other_customer_id: OtherCustomerId = None,
    bundle_path: BundlePath = None,
    check: Only = None,
    as_json: AsJson = False,
) -> None:
    """Drive a License Server through the wire protocol, and say which sentence of it is violated.

    It needs a test customer, which gets about 20 transmissions with invented numbers. It reads no settings and changes
    nothing here. Exits with 5 if there is no response, and with 7 if anything is not as the protocol says.
    """
    from telemetry_service.conformance.run import CHECKS, run

    unknown = set(check or ()) - {known.name for known in CHECKS}
    if unknown:
        message = f"there is no check {min(unknown)}. The checks are: {', '.join(known.name for known in CHECKS)}."
        raise typer.BadParameter(message, param_hint="--check")
    session = _session(url, _customer(customer_id, api_key_file), ca_file, public_key)
    if former_api_key_file is not None:
        session.former_api_key = _api_key(former_api_key_file, "--former-api-key-file")
    if other_customer_id is not None and other_api_key_file is not None:
        session.other_customer = _customer(other_customer_id, other_api_key_file, "other-")
    if bundle_path is not None:
        session.bundle_path = _path(bundle_path)
    resume_collection()
    report = run(session, check or (), _ignore if as_json else _say)
    if as_json:
        checks = [asdict(result) for result in report.results]
        say_json({"conforms": report.conforms, "requests": report.requests, "checks": checks})
    else:
        _sum_up(report)
    if report.requests and not report.responses:
        raise typer.Exit(ExitCode.NOT_DELIVERED)
    if not report.conforms:
        raise typer.Exit(ExitCode.NOT_VERIFIED)


def _session(url: str, customer: "Customer", ca_file: Path | None, public_key: str | None) -> "Session":
    from telemetry_service.conformance.session import Session
    from telemetry_service.domain.clock import SystemClock

    return Session(_probe(url, ca_file), customer, SystemClock(), None if public_key is None else _keys(public_key))


def _customer(customer_id: str, api_key_file: str, which: str = "") -> "Customer":
    from telemetry_service.conformance.message import Customer
    from telemetry_service.domain.payload import CUSTOMER_ID_PATTERN

    if not re.fullmatch(CUSTOMER_ID_PATTERN, customer_id, re.ASCII):
        message = "must be cus_ followed by 6 to 64 letters and digits."
        raise typer.BadParameter(message, param_hint=f"--{which}customer-id")
    return Customer(_api_key(api_key_file, f"--{which}api-key-file"), customer_id)


def _path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", text, re.ASCII):
        message = "must begin with a slash, and be a plain path."
        raise typer.BadParameter(message, param_hint="--bundle-path")
    return text


def _probe(url: str, ca_file: Path | None) -> "Probe":
    from telemetry_service import __version__
    from telemetry_service.domain.errors import SettingsError
    from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
    from telemetry_service.license_server.probe import Probe

    if not is_base_url(url):
        message = "must be https://HOST[:PORT][/PATH], without user, query, and fragment."
        raise typer.BadParameter(message, param_hint="URL")
    endpoint = Endpoint(url, ca_file, None, f"control-core-telemetry/{__version__}")
    try:
        return Probe(endpoint, ExchangeLimits())
    except SettingsError:
        message = "cannot be read as PEM certificates."
        raise typer.BadParameter(message, param_hint="--ca-file") from None


def is_base_url(url: str) -> bool:
    """Whether a URL has a host, perhaps a port and a path, and nothing else."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and named and parts.scheme == "https" and "@" not in parts.netloc and not parts.query + parts.fragment


def _api_key(file: str, option: str) -> str:
    from telemetry_service.domain.configuration import api_key_error

    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        message = "cannot be read."
        raise typer.BadParameter(message, param_hint=option) from None
    api_key = text.rstrip("\r\n")
    if (problem := api_key_error(api_key)) is not None:
        raise typer.BadParameter(problem, param_hint=option)
    return api_key


def _keys(text: str) -> "ReceiptKeys":
    from telemetry_service.sealing.receipt import ReceiptKeys

    try:
        return ReceiptKeys.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--public-key") from None


def _ignore(_result: "Result") -> None:
    """Print nothing: the JSON comes at the end."""


def _say(result: "Result") -> None:
    say(f"{result.verdict.value.replace('_', ' '):<12}{result.check}")
    if result.detail is not None:
        say(f"{'':<12}{result.sentence}")
        say(f"{'':<12}-> {result.detail}")


def _sum_up(report: "Report") -> None:
    from telemetry_service.conformance.check import Verdict

    conform, violate, unknown = (report.count(verdict) for verdict in Verdict)
    say(f"Checks that conform: {conform}. That violate the protocol: {violate}. Not checked: {unknown}.")
    say(f"Requests: {report.requests}. Responses: {report.responses}.")
