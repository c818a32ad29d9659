"""``telemetry-service send-now``."""

from typing import Annotated

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson
from telemetry_service.cli.transmission_output import say_transmission
from telemetry_service.domain.errors import IdempotencyKeyInUseError
from telemetry_service.domain.idempotency_key import IDEMPOTENCY_KEY_FORM, is_idempotency_key

RequestKey = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Repeat a key to get the same transmission instead of a new one."),
]


def send_now(*, idempotency_key: RequestKey = None, as_json: AsJson = False) -> None:
    """Close the current period and send it now. Exits with 5 if it was not accepted."""
    chosen = _checked(idempotency_key)
    with opened_service() as service:
        from telemetry_service.pipeline.actions import send_now as actions
        from telemetry_service.pipeline.actions.restored import notice_restored

        notice_restored(service.runtime, actor=command_actor())
        detail = actions.send_now(service.runtime, command_actor(), chosen)
        if detail.key_in_use:
            raise IdempotencyKeyInUseError
    say_transmission(detail, as_json=as_json)


def _checked(idempotency_key: str | None) -> str | None:
    if idempotency_key is not None and not is_idempotency_key(idempotency_key):
        message = f"must be {IDEMPOTENCY_KEY_FORM}."
        raise typer.BadParameter(message, param_hint="--idempotency-key")
    return idempotency_key
