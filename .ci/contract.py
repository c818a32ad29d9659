"""Compares a running service with its description: makes calls that it allows and forbids, and checks every response.

Schemathesis makes the calls, in one run for each scope. All of its checks are on, among them that a call without a
credential, or with a wrong one, is refused. The seed, the clock and the empty database are always the same, and no
check is about time, so the result depends on neither chance nor the machine. Another seed can be given to look further.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from telemetry_service.identity.scopes import Scope
from telemetry_service.log.silence import silence
from tests.support.connected import connected_service, connection_to
from tests.support.contract import contradictions
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer
from tests.support.running import Running

_SEED = 13
_BOOTSTRAP = "0123456789abcdef0123456789ABCDEF"
"""The deployment's own token has the scope ``admin``, and no call can revoke it."""

_MADE = re.compile(r"^ *\d+ generated.*$", re.MULTILINE)


def main() -> int:
    """Return 1 if a response contradicts the description."""
    silence()
    seed = int(sys.argv[1]) if sys.argv[1:] else _SEED
    with TemporaryDirectory() as folder, _service(Path(folder)) as service:
        return max([_call(service, scope, seed) for scope in Scope])


@contextmanager
def _service(folder: Path) -> Iterator[Running]:
    """Run a service that can send, and has sent something, so that there is something to read."""
    clock = FrozenClock()
    with LicenseServer(folder / "license-server", clock) as license_server:
        environment = {**connection_to(license_server), "TELEMETRY_BOOTSTRAP_TOKEN": _BOOTSTRAP}
        with connected_service(f"sqlite:///{folder / 'telemetry.db'}", environment, clock) as service:
            service.call(Scope.ADMIN, "POST", "telemetry/send-now").raise_for_status()
            yield service


def _call(service: Running, scope: Scope, seed: int) -> int:
    """Return 1 if the calls with a token of ``scope`` find a contradiction."""
    token = _BOOTSTRAP if scope is Scope.ADMIN else service.tokens[scope]
    chosen = (f"--include-operation-id={name}" for name in _calls_for(scope, service))
    code, report = contradictions(service, token, seed, *chosen)
    made = _MADE.search(report)
    print(f"{scope.value}: {made[0].strip()}" if made and not code else f"{scope.value}:\n{report}", flush=True)
    return int(code != 0 or made is None)


def _calls_for(scope: Scope, service: Running) -> list[str]:
    """Return what the holder of a scope is meant to call; for ``admin``, all that no other scope may call too."""
    paths = service.call(None, "GET", "openapi.json").json()["paths"]
    calls = [call for path in paths.values() for call in path.values()]
    return [call["operationId"] for call in calls if _is_for(scope, call["security"])]


def _is_for(scope: Scope, security: list[dict[str, list[str]]]) -> bool:
    held = {name for one in security for name in one.get("serviceToken", [])}
    return not held - {scope.value} if scope is Scope.ADMIN else scope.value in held


if __name__ == "__main__":
    sys.exit(main())
