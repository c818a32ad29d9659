"""What is in the bundle, one function for each file."""

import platform
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import distribution, distributions
from typing import TYPE_CHECKING, Any

from telemetry_service import __version__
from telemetry_service.cli.doctor.examine import examine
from telemetry_service.cli.support.vocabulary import is_revision, unknown
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.phrases import iso
from telemetry_service.log.write import place_of
from telemetry_service.pipeline.queries.health import count_by_state, read_health
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.settings import KNOWN_VARIABLES
from telemetry_service.storage.migrate import schema_state
from telemetry_service.storage.sqlite_library import sqlite3

if TYPE_CHECKING:
    from telemetry_service.pipeline.runtime import Runtime
    from telemetry_service.settings import Settings

_ATTEMPTS = 20

_SAID = frozenset(
    {
        "keys",
        "cookies",
        "host",
        "disk",
        "encryption",
        "integrity",
        "writing",
        "growth",
        "locked",
        "administrator",
        "issuers",
        "sealed",
        "credentials",
        "connection",
        "clock",
    }
)
"""The checks of the doctor whose sentences contain only our words and numbers. Others name files and tokens."""

Shown = Any
"""What becomes JSON."""


def unavailable(error: Exception) -> dict[str, str]:
    """Return what a file holds instead of a part that could not be made: why, without the text of any library."""
    if isinstance(error, TelemetryError):
        return {"unavailable": error.code}
    return {"unavailable": type(error).__name__, "place": str(place_of(error))}


def guarded(make: Callable[[], Shown]) -> Shown:
    """Return a part, or why there is none: whatever is wrong with one, the others are in the bundle all the same."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - a row may hold anything
        return unavailable(error)


def versions() -> dict[str, Shown]:
    """Return the versions of the service, of what it runs on, and of every installed distribution that it needs."""
    needed = {_name(requirement) for requirement in distribution("control-core-telemetry").requires or ()}
    installed = {found.name.lower(): found.version for found in distributions() if found.name}
    return {
        "service": __version__,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: installed[name] for name in sorted(needed) if name in installed},
    }


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return which settings are set, without a value. Unknown variables are not even named."""
    return {name: "set" if environ.get(name) else "not set" for name in sorted(KNOWN_VARIABLES)}


def doctor(*, offline: bool) -> list[dict[str, Shown]]:
    """Return what the doctor finds; a sentence only where it can name nothing."""
    return [
        {
            "check": found.check,
            "result": found.result.value,
            "exit_code": int(found.exit_code),
            **({"sentence": found.sentence} if found.check in _SAID else {}),
        }
        for found in examine(offline=offline)
    ]


def database(settings: "Settings") -> dict[str, Shown]:
    """Return the kind of the database and its schema."""
    url = settings.database_url.get_secret_value()
    state = schema_state(url)
    present = state.present
    shown = present if present is None or is_revision(present) else unknown(present)
    return {"kind": url.partition(":")[0].partition("+")[0], "revision": shown, "newest": state.newest}


def health(runtime: "Runtime") -> dict[str, Shown]:
    """Return the state, by its codes and times."""
    with open_snapshot(runtime) as snapshot:
        report, states = read_health(snapshot), count_by_state(snapshot)
    return {
        "status": report.health.status.value,
        "code": report.health.code,
        "owner": report.health.owner.value,
        "connected": report.connected,
        "last_run": report.last_tick_result,
        "last_exchange_at": _moment(report.last_exchange_at),
        "last_accepted_at": _moment(report.last_accepted_at),
        "next_run_at": _moment(report.next_run_at),
        "next_send_at": _moment(report.next_send_at),
        "transmissions": {state.value: number for state, number in states.items()},
    }


def metrics(runtime: "Runtime") -> str:
    """Return the metrics of the database; those of a process are only in that process."""
    from telemetry_service.web.metrics.stored import exposition_of

    return exposition_of(runtime).decode()


def attempts(runtime: "Runtime") -> list[dict[str, Shown]]:
    """Return the last attempts: when, why, and how they ended, without digests and payloads."""
    with runtime.database.read() as tx:
        found = tx.transmissions.latest_attempts(_ATTEMPTS)
    return [
        {
            "transmission_id": str(transmission_id),
            "number": attempt.number,
            "trigger": attempt.trigger.value,
            "started_at": iso(attempt.started_at),
            "duration_ms": attempt.duration_ms,
            "body_bytes": attempt.body_bytes,
            "encrypted": attempt.encrypted,
            "state": attempt.state.value,
            "cause": attempt.cause and attempt.cause.value,
            "response_code": attempt.response_code,
            "duplicate": attempt.duplicate,
        }
        for transmission_id, attempt in found
    ]


def _moment(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _name(requirement: str) -> str:
    """Return the name at the start of a requirement such as ``psycopg[binary]>=3.3``."""
    length = next((i for i, letter in enumerate(requirement) if not (letter.isalnum() or letter in "-_.")), None)
    return requirement[:length].lower()
