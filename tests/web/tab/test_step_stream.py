"""The steps of a connection test are sent one by one, and the verdict comes last."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from threading import Event as Signal

import pytest

from telemetry_service.domain.configuration import Deployment
from telemetry_service.domain.connection_check import OnStep, StepName
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.log.context import request_context
from telemetry_service.log.events import Event
from telemetry_service.web.errors.request_errors import ExchangesBusyError
from telemetry_service.web.http.pools import BoundedPool
from telemetry_service.web.tab.forms.step_stream import NEXT, stream_steps
from telemetry_service.web.tab.rendering import Pages
from tests.support.each import each
from tests.support.log_lines import lines_of

DEPLOYMENT = Deployment(
    license_server_configured=True, customer_id=None, version="4.2.0", enabled=True, send_spread=timedelta(0)
)


def streamed(
    test: Callable[[OnStep], object],
    running: Callable[[StepName], str] = str,
    finished: Callable[[object], str] = str,
    threads: int = 1,
) -> list[str]:
    async def read() -> list[str]:
        pool = BoundedPool(threads, ExchangesBusyError)
        return [part async for part in stream_steps(pool, test, running, finished, _text)]

    return asyncio.run(read())


def _text(refusal: TelemetryError) -> object:
    return refusal.text


def test_each_step_is_sent_and_the_result_comes_last() -> None:
    def walk(on_step: OnStep) -> int:
        for step in (StepName.NAME, StepName.TCP):
            on_step(step)
        return 42

    pieces = streamed(walk, lambda step: f"{step} begins", lambda result: f"found {result}")
    assert pieces == [f"name begins{NEXT}", f"tcp begins{NEXT}", "found 42"]


def test_a_step_is_sent_before_the_test_continues() -> None:
    heard = Signal()

    def walk(on_step: OnStep) -> bool:
        on_step(StepName.NAME)
        return heard.wait(60)

    def hear(step: StepName) -> str:
        heard.set()
        return str(step)

    assert streamed(walk, hear, lambda waited: f"was heard: {waited}") == [f"name{NEXT}", "was heard: True"]


def test_what_breaks_the_test_breaks_the_response() -> None:
    def stumble(on_step: OnStep) -> None:
        on_step(StepName.NAME)
        raise LookupError

    with pytest.raises(LookupError):
        streamed(stumble)


def test_where_no_thread_is_left_for_it_that_is_the_result() -> None:
    assert streamed(lambda _pieces: None, threads=0) == [ExchangesBusyError.sentence]


def test_a_test_goes_on_when_its_browser_goes_away() -> None:
    noted = Signal()

    def walk(on_step: OnStep) -> None:
        on_step(StepName.NAME)
        noted.set()

    async def leave() -> None:
        stream = stream_steps(BoundedPool(1, ExchangesBusyError), walk, str, str, _text)
        assert await anext(aiter(stream)) == f"name{NEXT}"
        await stream.aclose()  # type: ignore[attr-defined] # it is a generator, whatever else it is
        assert await asyncio.to_thread(noted.wait, 60)

    asyncio.run(leave())


async def end_of_the_test(goes_on: Signal) -> None:
    """Let the test end, and wait for it and for its caller."""
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    goes_on.set()
    await asyncio.wait(under_way, timeout=60)
    await asyncio.sleep(0)


def test_a_fault_in_a_test_whose_browser_went_away_is_a_line_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    goes_on = Signal()

    def stumble(on_step: OnStep) -> None:
        on_step(StepName.NAME)
        goes_on.wait(60)
        raise LookupError

    async def leave() -> None:
        with request_context("request-1", None):
            stream = stream_steps(BoundedPool(1, ExchangesBusyError), stumble, str, str, _text)
            assert await anext(aiter(stream)) == f"name{NEXT}"
        await stream.aclose()  # type: ignore[attr-defined] # it is a generator, whatever else it is
        await end_of_the_test(goes_on)

    asyncio.run(leave())
    [line] = lines_of(caplog, Event.UNEXPECTED_EXCEPTION)
    pieces = {name: line[name] for name in ("job", "error", "request_id")}
    assert pieces == {"job": "abandoned-call", "error": "LookupError", "request_id": "request-1"}


def test_a_refusal_in_a_test_whose_browser_went_away_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    ended = Signal()

    def refuse(on_step: OnStep) -> None:
        on_step(StepName.NAME)
        ended.wait(60)
        raise ExchangesBusyError

    async def leave() -> None:
        stream = stream_steps(BoundedPool(1, ExchangesBusyError), refuse, str, str, _text)
        assert await anext(aiter(stream)) == f"name{NEXT}"
        await stream.aclose()  # type: ignore[attr-defined] # it is a generator, whatever else it is
        await end_of_the_test(ended)

    asyncio.run(leave())
    assert caplog.records == []


@each("begun", list(StepName))
def test_the_steps_before_have_passed_and_those_behind_wait(begun: StepName) -> None:
    shown = Pages(DEPLOYMENT).text("telemetry/settings/connection_test.html", {"begun": begun})
    words = re.findall(">(passed|trying|waiting)<", shown)
    at = list(StepName).index(begun)
    assert words == ["passed"] * at + ["trying"] + ["waiting"] * (5 - at)
