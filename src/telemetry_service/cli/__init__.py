"""The command line: thin over the pipeline, quick to start, with exit codes that mean something.

Each command is a plain function in a file of its own. It imports what it needs when it runs, so that
``--help`` and the container's health check do not load the whole house.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments``, or with those of the process, and exit."""
    from telemetry_service.cli.main import run
    from telemetry_service.log.silence import silence

    if arguments is None:
        silence()
    run(arguments)
