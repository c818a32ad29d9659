"""Processes that are forked off a server, one for each worker, that has imported everything already.

To start Python and import the service takes more than a second of a core.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess

CONTEXT = multiprocessing.get_context("forkserver")
_IMPORTED = ["tests.support.child", "tests.support.forked", "telemetry_service.app", "telemetry_service.cli.server"]


def fork(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process that calls ``target``, a function of one of the imported modules; it ends with this process."""
    CONTEXT.set_forkserver_preload(_IMPORTED)
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
