"""The command line: a thin layer over the pipeline, quick to start, with meaningful exit codes.

Each command is a plain function in its own file. It imports what it needs when it runs, so that ``--help`` and the
container's health check do not load the whole service.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments``, or with those of the process, and exit."""
    from telemetry_service.cli.loading import pause_collection

    if arguments is None:
        pause_collection()
    from telemetry_service.cli.main import run
    from telemetry_service.log.silence import silence

    if arguments is None:
        silence()
    run(arguments)
