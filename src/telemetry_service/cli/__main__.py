"""``python -m telemetry_service.cli``: the same as the installed program."""

from telemetry_service.cli import main

main()
