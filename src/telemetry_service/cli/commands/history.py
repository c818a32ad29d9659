"""``telemetry-service history``."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.open_service import opened_service
from telemetry_service.cli.output import AsJson, moment, say, say_as, say_table
from telemetry_service.domain.transmissions import LONGEST_PAGE, Status, Trigger

if TYPE_CHECKING:
    from telemetry_service.domain.transmission_texts import DescribedTransmission

Limit = Annotated[int, typer.Option(min=1, max=LONGEST_PAGE, help="Number of transmissions, newest first.")]
From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day.")]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last UTC day.")]
Cursor = Annotated[str | None, typer.Option(help="Continue after the previous page.")]


def history(
    *,
    limit: Limit = 25,
    status: Annotated[Status | None, typer.Option(help="Show only this status.")] = None,
    trigger: Annotated[Trigger | None, typer.Option(help="Show only this trigger.")] = None,
    from_day: From = None,
    to_day: To = None,
    cursor: Cursor = None,
    as_json: AsJson = False,
) -> None:
    """List past transmissions, newest first."""
    if from_day and to_day and from_day > to_day:
        message = "must not be later than --to."
        raise typer.BadParameter(message, param_hint="--from")
    with opened_service() as service:
        from telemetry_service.domain.transmissions import HistoryFilter
        from telemetry_service.pipeline.queries.history import list_transmissions
        from telemetry_service.pipeline.snapshot import read_now

        wanted = HistoryFilter(status, trigger, _day(from_day), _day(to_day))
        page = read_now(service.runtime, list_transmissions, wanted, cursor, limit)
    if as_json:
        from telemetry_service.schemas.transmissions import HistoryResponse

        say_as(HistoryResponse, page)
        return
    if not page.transmissions:
        say("No transmissions found.")
        return
    say_table(
        ("DATE (UTC)", "STATUS", "STATE", "RECORDS", "CODE", "TRIGGER", "ATTEMPTS", "CAUSE", "NOTE", "ID"),
        map(_cells, page.transmissions),
    )
    if page.next_cursor:
        say(f"Older transmissions: --cursor {page.next_cursor}")


def _cells(described: "DescribedTransmission") -> tuple[object, ...]:
    t, texts = described.transmission, described.texts
    return (
        moment(t.created_at),
        t.status.value,
        t.state.value,
        t.records_sent,
        t.response_code,
        t.trigger.value,
        t.attempts_made,
        t.cause.value if t.cause else None,
        texts.note or None,
        t.transmission_id,
    )


def _day(value: datetime | None) -> date | None:
    return value.date() if value else None
