"""A connection test as it happens: each step is told to the browser when it begins, the verdict when there is one.

It is one answer, so that any replica may give it: fragments of the page, divided by a mark that none of them contains.
The last one is the answer proper; whoever has the stream only at its end, as behind a proxy that holds it back, sees
that alone.
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
"""Divides the fragments; ``tab.js`` knows it too."""

Result = TypeVar("Result")


async def stream_steps(
    pool: BoundedPool,
    test: Callable[[OnStep], Result],
    running: Callable[[StepName], str],
    finished: Callable[[Result], str],
    refused: Callable[[TelemetryError], Result],
) -> AsyncIterator[str]:
    """Yield a fragment for each step that ``test`` begins, and the last one for its result; raises what it raises.

    Where ``pool`` has no thread for it, the one fragment is that of ``refused``.

    Where the browser goes away in the meantime, the test ends by itself, and its result is noted all the same; a fault
    of the program in it is a line of the log.
    """
    loop, request = asyncio.get_running_loop(), copy_context()
    steps: asyncio.Queue[StepName | None] = asyncio.Queue()

    def tell(step: StepName) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    try:
        # It runs in the context of the request, whose ID its lines in the log bear.
        under_way = pool.begin(partial(test, tell))
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
