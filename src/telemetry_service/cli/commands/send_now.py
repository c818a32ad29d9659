"""``telemetry-service send-now``."""

import hashlib
import re
from typing import Annotated

import typer

from telemetry_service.cli.open_service import ACTOR, opened_service
from telemetry_service.cli.output import AsJson
from telemetry_service.cli.transmission_output import say_transmission

RequestKey = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Repeat a key to get the same transmission instead of a new one."),
]


def send_now(*, idempotency_key: RequestKey = None, as_json: AsJson = False) -> None:
    """Close the current period and send it now. Exits with 5 if it was not accepted."""
    request_key = _request_key(idempotency_key)
    with opened_service() as service:
        from telemetry_service.pipeline.actions import send_now as actions

        detail = actions.send_now(service.runtime, ACTOR, request_key)
    say_transmission(detail, as_json=as_json)


def _request_key(chosen: str | None) -> str | None:
    if chosen is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", chosen):
        message = "must be 1 to 200 visible ASCII characters."
        raise typer.BadParameter(message, param_hint="--idempotency-key")
    # Of one length, and another than that of a caller of the REST API who chose the same.
    return hashlib.sha256(f"{ACTOR}\0{chosen}".encode()).hexdigest()
