"""The command line: a thin layer over the pipeline, quick to start, with meaningful exit codes.

Each command is a plain function in its own file. It imports what it needs when it runs, so that ``--help`` and the
container's health check do not load the whole service.
"""

import sys
from collections.abc import Sequence

_INTERRUPTED = 130
"""``ExitCode.INTERRUPTED``, for a moment in which that is not loaded yet."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments``, or with those of the process, and exit."""
    try:
        _load_and_run(arguments)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _load_and_run(arguments: Sequence[str] | None) -> None:
    if arguments is None:
        from telemetry_service.cli.signals import expect_signals

        expect_signals(sys.argv[1:])
        from telemetry_service.cli.loading import pause_collection

        pause_collection()
    from telemetry_service.cli.command_line import run
    from telemetry_service.log.silence import silence

    if arguments is None:
        silence()
    run(arguments)
