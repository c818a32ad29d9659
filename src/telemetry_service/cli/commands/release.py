"""``telemetry-service release``, ``withdraw`` and ``accept-without-receipt``: decisions about one transmission."""

from typing import TYPE_CHECKING, Annotated, Protocol
from uuid import UUID

import typer

from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson
from telemetry_service.cli.transmission_output import say_transmission

if TYPE_CHECKING:
    from telemetry_service.domain.actor import Actor
    from telemetry_service.pipeline.queries.history import TransmissionDetail
    from telemetry_service.pipeline.runtime import Runtime

Identity = Annotated[UUID, typer.Argument(help="The transmission ID, as shown in the history.")]
Reason = Annotated[str, typer.Option(help="Why. It is kept in the ledger.")]


class _Decision(Protocol):
    def __call__(
        self, runtime: "Runtime", transmission_id: UUID, actor: "Actor", reason: str
    ) -> "TransmissionDetail": ...


def release(transmission_id: Identity, *, reason: Reason, as_json: AsJson = False) -> None:
    """Release a payload that waits, and send it. Exits with 5 if it was not accepted."""
    from telemetry_service.pipeline.actions.release import release as decide

    say_transmission(_decided(decide, transmission_id, reason), as_json=as_json)


def withdraw(transmission_id: Identity, *, reason: Reason, as_json: AsJson = False) -> None:
    """Never send a payload of which nothing can have arrived, or that was changed. Its counts are not reported."""
    from telemetry_service.pipeline.actions.release import withdraw as decide

    say_transmission(_decided(decide, transmission_id, reason), as_json=as_json)


def accept_without_receipt(transmission_id: Identity, *, reason: Reason, as_json: AsJson = False) -> None:
    """Count a transmission as accepted that waits for a valid receipt (TELEMETRY_REQUIRE_RECEIPT)."""
    from telemetry_service.pipeline.actions.accept_without_receipt import accept_without_receipt as decide

    say_transmission(_decided(decide, transmission_id, reason), as_json=as_json)


def _decided(decide: _Decision, transmission_id: UUID, reason: str) -> "TransmissionDetail":
    with opened_service() as service:
        from telemetry_service.pipeline.actions.restored import notice_restored

        notice_restored(service.runtime, actor=command_actor())
        return decide(service.runtime, transmission_id, command_actor(), reason)
