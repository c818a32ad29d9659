"""However many requests are there at once, a probe waits for few of them."""

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send

from telemetry_service.web.http.probes import Turns, only_probes


def scope(path: str) -> Scope:
    return {"type": "http", "path": path, "method": "GET", "headers": []}


async def _nothing() -> Any:  # noqa: ANN401 - nobody asks for it
    raise NotImplementedError


async def _nowhere(_message: Any) -> None:  # noqa: ANN401 - whatever is said
    raise NotImplementedError


def order_of(requests: int, in_a_round: int, *, given_up: int = 0) -> list[str]:
    """Return in which order requests and a probe behind them are begun."""
    begun: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.append(scope["path"])

    async def ask() -> None:
        turns = Turns(app, in_a_round)
        paths = [*(f"/{number}" for number in range(requests)), "/healthz"]
        tasks = [asyncio.create_task(turns(scope(path), _nothing, _nowhere)) for path in paths]
        await asyncio.sleep(0)
        for task in tasks[in_a_round : in_a_round + given_up]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(ask())
    return begun


def test_a_probe_is_begun_in_the_first_round_and_the_others_in_their_order() -> None:
    begun = order_of(1000, 20)
    assert begun[20] == "/healthz"
    assert begun[:20] + begun[21:] == [f"/{number}" for number in range(1000)]


def test_refusals_beyond_the_limits_wait_for_their_turns_too() -> None:
    begun: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.append(scope["path"])

    async def refused(message: Any) -> None:  # noqa: ANN401 - whatever is said
        if message["type"] == "http.response.start":
            begun.append(str(message["status"]))

    async def ask() -> None:
        turns = Turns(app, 20)
        beyond = only_probes(turns, turns.wait)
        paths = [*("/login" for _ in range(100)), "/healthz"]
        await asyncio.gather(*(beyond(scope(path), _nothing, refused) for path in paths))

    asyncio.run(ask())
    assert begun == [*["503"] * 20, "/healthz", *["503"] * 80]


def test_few_requests_are_begun_at_once() -> None:
    assert order_of(3, 20) == ["/0", "/1", "/2", "/healthz"]


def test_an_abandoned_request_blocks_no_one() -> None:
    begun = order_of(100, 10, given_up=50)
    assert begun == [*(f"/{n}" for n in range(10)), "/healthz", *(f"/{n}" for n in range(60, 100))]


def test_after_a_quiet_moment_it_starts_again() -> None:
    begun: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.append(scope["path"])

    async def ask() -> None:
        turns = Turns(app, 2)
        for _ in range(3):
            await asyncio.gather(*(turns(scope("/x"), _nothing, _nowhere) for _ in range(5)))
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(ask())
    assert len(begun) == 15
