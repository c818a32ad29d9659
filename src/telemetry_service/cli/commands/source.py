"""``telemetry-service source``: checks the Control Plane's own database, resets its cursor, catches up on old rows."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.confirmation import confirm
from telemetry_service.cli.exit_codes import exit_code_of
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_as, say_on_stderr
from telemetry_service.domain.phrases import counted, day

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry_service.domain.source import CatchUp
    from telemetry_service.pipeline.actions.catch_up import CatchUpPlan
    from telemetry_service.pipeline.actions.reset_source import ResetDone, ResetPlan
    from telemetry_service.pipeline.runtime import Runtime

_NOW, _CURSOR = "now", "cursor"

From = Annotated[str, typer.Option("--from", metavar="now|cursor|POSITION", help="Where to continue.")]
Since = Annotated[
    datetime, typer.Option("--from", metavar="DATE", formats=["%Y-%m-%d"], help="Count rows since this UTC day.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def check_source(*, as_json: AsJson = False) -> None:
    """Check views, rights, and cursor of the source database. Changes nothing.

    Exits with 4 if it cannot be read or reading has stopped, and with 6 if it has gone back, so that you must decide.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.queries.source import read_source
        from telemetry_service.pipeline.snapshot import read_now
        from telemetry_service.pipeline.stages.source.check import check_source as check
        from telemetry_service.schemas.source import SourceResponse

        report = check(service.runtime)
        view = read_now(service.runtime, read_source)
    if as_json:
        say_as(SourceResponse, view)
    else:
        say("The views are as documented and may be read." if report.error is None else "The source cannot be read.")
        say(view.note)
    for warning in report.warnings:
        say_on_stderr(warning)
    if report.error is not None:
        say_on_stderr(f"{report.error.text} {report.error.next_step} ({report.error.code})")
        raise typer.Exit(exit_code_of(report.error))


def reset_source(*, from_: From, yes: Yes = False) -> None:
    """Decide where the source database is read from, after it was restored.

    With a position, everything from it on counts, again if it was counted before. With now, what is there when you
    confirm is skipped. With cursor, reading continues where it stopped: the database was not restored after all.
    """
    plan = _planned(from_)
    with opened_service() as service:
        while (done := _confirmed_reset(service.runtime, plan, yes=yes)) is None:
            say("The service has read on meanwhile, so the numbers have changed.")
    if done.ended_catch_up:
        say("A catch-up that was not finished has ended.")
    say(f"Reading continues at position {done.position}.")


def _confirmed_reset(runtime: "Runtime", plan_of: "Callable[[Runtime], ResetPlan]", *, yes: bool) -> "ResetDone | None":
    from telemetry_service.pipeline.actions import reset_source as actions

    plan = plan_of(runtime)
    say(f"The cursor moves from position {plan.before.position} to {plan.after.cursor.position}.")
    say(f"{counted(plan.rows, 'row')} that are there now will be counted, even if they were counted before.")
    confirm(yes=yes)
    return actions.reset_source(runtime, plan, command_actor())


def catch_up(*, since: Since, yes: Yes = False) -> None:
    """Count older rows of the source database, from before it was first read.

    Says the numbers first. It can be stopped; the same command continues.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.actions import catch_up as actions

        plan = actions.plan_catch_up(service.runtime, since.replace(tzinfo=UTC))
        _say_plan(plan)
        confirm(yes=yes)
        last = _with_bar(actions.catch_up(service.runtime, plan, command_actor()))
    say(f"{counted(last.counted, 'row')} counted in the current period.")


def _say_plan(plan: "CatchUpPlan") -> None:
    since = day(plan.span.since.date())
    if plan.begun is not None:
        left = counted(plan.begun.total - plan.begun.looked_at, "row")
        say(f"A catch-up from {since} continues. {left} of {plan.begun.total:,} are left to look at.")
    if plan.numbers is None:
        return
    until = f" and before {day(plan.span.until.date())}" if plan.span.until else ""
    say(f"{counted(plan.numbers.counted, 'row')} occurred since {since}{until}, before the source was first read.")
    say(f"They will count in the current period. {counted(plan.numbers.rows, 'row')} will be looked at.")
    if plan.numbers.undated:
        say(f"{counted(plan.numbers.undated, 'row')} without a time will not count.")


def _with_bar(progress: "Iterable[CatchUp]") -> "CatchUp":
    """Show how far it is on stderr, and return how it ended."""
    found = None
    with typer.progressbar(length=1, label="Catching up", file=sys.stderr) as bar:
        for found in progress:
            bar.length = max(found.total, found.looked_at, 1)
            bar.update(bar.length - bar.pos if found.finished else found.looked_at - bar.pos)
    assert found is not None  # noqa: S101 - it yields where it is before anything else
    return found


def _planned(text: str) -> "Callable[[Runtime], ResetPlan]":
    from telemetry_service.pipeline.actions import reset_source as actions

    if text == _CURSOR:
        return actions.plan_continue
    if text != _NOW and (not text.isdecimal() or len(text) > len(str(2**53))):
        message = "must be now, cursor, or a position: a whole number."
        raise typer.BadParameter(message, param_hint="--from")
    position = None if text == _NOW else int(text)
    return lambda runtime: actions.plan_reset(runtime, position)
