"""A connection test as it happens: each step is told to the browser when it begins, the verdict when there is one.

It is one answer, so that any replica may give it: fragments of the page, divided by a mark that none of them contains.
The last one is the answer proper; whoever has the stream only at its end, as behind a proxy that holds it back, sees
that alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

from telemetry_service.domain.connection import StepName, Told

NEXT = "\n<!-- next -->\n"
"""Divides the fragments; ``tab.js`` knows it too."""

Result = TypeVar("Result")


def stream_steps(
    test: Callable[[Told], Result], running: Callable[[StepName], str], finished: Callable[[Result], str]
) -> Iterator[str]:
    """Yield a fragment for each step that ``test`` begins, and the last one for its result; raises what it raises.

    Where the browser goes away in the meantime, the test ends by itself, and its result is noted all the same.
    """
    steps: SimpleQueue[StepName | None] = SimpleQueue()
    # In the context of the request, whose id its lines in the log bear.
    with ThreadPoolExecutor(1, "connection-test") as threads:
        result = threads.submit(copy_context().run, test, steps.put)
        result.add_done_callback(lambda _done: steps.put(None))
        while (step := steps.get()) is not None:
            yield running(step) + NEXT
        yield finished(result.result())
