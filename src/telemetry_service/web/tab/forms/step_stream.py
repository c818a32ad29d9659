"""Streams a connection test: the browser gets each step as it begins, and finally the verdict.

It is one response, so that any replica can send it: fragments of the page, separated by a mark that none of them
contains. The last one is the actual result; behind a proxy that buffers the stream, the browser shows only that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from telemetry_service.domain.connection_check import OnStep, StepName
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.web.http.pools import BoundedPool, leave

NEXT = "\n<!-- next -->\n"
"""Separates the fragments; the script of the tab uses it too."""

Result = TypeVar("Result")


async def stream_steps(
    pool: BoundedPool,
    test: Callable[[OnStep], Result],
    running: Callable[[StepName], str],
    finished: Callable[[Result], str],
    refused: Callable[[TelemetryError], Result],
) -> AsyncIterator[str]:
    """Yield a fragment for each step that ``test`` begins, then one for its result; raises what it raises.

    If ``pool`` has no thread for it, the only fragment is that of ``refused``.

    If the browser disconnects, the test still ends and its result is recorded; a bug in it is logged.
    """
    loop, request = asyncio.get_running_loop(), copy_context()
    steps: asyncio.Queue[StepName | None] = asyncio.Queue()

    def report(step: StepName) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    try:
        # It runs in the context of the request, so its log lines have the request's ID.
        under_way = pool.begin(partial(test, report))
    except TelemetryError as busy:
        yield await run_in_threadpool(finished, refused(busy))
        return
    under_way.add_done_callback(lambda _done: steps.put_nowait(None))
    heard = False
    try:
        while (step := await steps.get()) is not None:
            yield running(step) + NEXT
        heard = True
    finally:
        if not heard:
            leave(under_way, request)
    yield await run_in_threadpool(finished, await under_way)
