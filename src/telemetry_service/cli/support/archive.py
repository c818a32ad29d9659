"""Writes the parts into one archive."""

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telemetry_service.cli.open_service import read_settings, with_place
from telemetry_service.cli.output import say_on_stderr
from telemetry_service.cli.support import parts
from telemetry_service.cli.support.log_lines import last_lines
from telemetry_service.cli.support.parts import guarded, unavailable
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.service import open_for_command

if TYPE_CHECKING:
    from telemetry_service.service import OpenService
    from telemetry_service.settings import Settings

_README = """Support bundle of the Control Core telemetry service.

versions.json   the service, what it runs on, and its packages
settings.json   which settings are set; no value is in here
database.json   the kind of database, and its schema
doctor.json     the result of every check, and its sentence where that can name nothing
health.json     the state, by its codes and times, and transmissions by state
metrics.txt     the metrics of the database
attempts.json   the last 20 attempts, without payloads and digests
log.jsonl       events of the service from the log that was named, without addresses and people

There are no keys, tokens, passwords, URLs, names, addresses, payloads, or customer IDs in it. Look before you send it.
"""


def write_archive(target: Path, log: Path | None, *, offline: bool) -> list[str]:
    """Fill an empty file with the archive, whatever state the installation is in; return what is in it.

    Raises:
        FileRefusedError: the log cannot be read.
    """
    files = {"README.txt": _README, **_about_settings(offline=offline)}
    if log is not None:
        files["log.jsonl"] = "".join(json.dumps(line) + "\n" for line in last_lines(log))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return list(files)


def _about_settings(*, offline: bool) -> dict[str, str]:
    found = {
        "versions.json": _json(guarded(parts.versions)),
        "settings.json": _json(parts.variables(os.environ)),
        "doctor.json": _json(guarded(lambda: parts.doctor(offline=offline))),
    }
    try:
        settings = read_settings()
    except TelemetryError as error:
        return found | {"database.json": _json(unavailable(error))}
    return found | {"database.json": _json(guarded(lambda: parts.database(settings))), **_about_rows(settings)}


def _about_rows(settings: "Settings") -> dict[str, str]:
    try:
        service = open_for_command(settings)
    except TelemetryError as error:
        say_on_stderr(f"{with_place(error, settings).text} ({error.code})")
        return {"health.json": _json(unavailable(error))}
    try:
        return _rows(service)
    finally:
        service.runtime.database.close()


def _rows(service: "OpenService") -> dict[str, str]:
    runtime = service.runtime
    measured = guarded(lambda: parts.metrics(runtime))
    return {
        "health.json": _json(guarded(lambda: parts.health(runtime))),
        "metrics.txt": measured if isinstance(measured, str) else _json(measured),
        "attempts.json": _json(guarded(lambda: parts.attempts(runtime))),
    }


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value, indent=2) + "\n"
