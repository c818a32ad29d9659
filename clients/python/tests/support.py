"""What the tests of the reporter share: the real service, what it has counted, and a quick reporter."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_core_telemetry_reporter import Reporter
from control_core_telemetry_reporter.report import Counts
from telemetry_service.identity.scopes import Scope
from tests.support.fault_server import FaultServer, Mode, Visit
from tests.support.faults import response
from tests.support.running import Running

BOUNCER = "bnc-1-prd"
ONE = {"audit_events": 3, "policy_decisions": 2, "successful_decisions": 1}
PATIENCE_SECONDS = 60.0
"""No test is about how long this takes."""


@dataclass(frozen=True, slots=True)
class Service:
    """The real service, and what it has in its database."""

    running: Running

    @property
    def url(self) -> str:
        return str(self.running.client.base_url)

    @property
    def token(self) -> str:
        return self.running.tokens[Scope.REPORT]

    def counted(self) -> dict[str, Counts]:
        """Return what it has counted for each bouncer, in all periods."""
        statement = (
            "SELECT bouncer_id, sum(audit_events), sum(policy_decisions), sum(successful_decisions)"
            " FROM usage_counters GROUP BY bouncer_id"
        )
        with closing(sqlite3.connect(self.running.database_url.removeprefix("sqlite:///"))) as database:
            return {bouncer: tuple(counts) for bouncer, *counts in database.execute(statement)}

    def reporter(self, spool: Path, **options: Any) -> Reporter:  # noqa: ANN401 - as Reporter takes them
        """Return a reporter to it that waits for nothing."""
        return quick(self.url, self.token, spool, **options)

    def forward(self, visit: Visit) -> bytes:
        """Pass on a request that arrived elsewhere, and return the response."""
        visit.secure()
        request = visit.read_request()
        headers = {name: request.headers[name] for name in ("authorization", "content-type")}
        answered = self.running.client.post(request.path, content=request.body, headers=headers)
        return response(answered.status_code, answered.content, [("Content-Type", answered.headers["content-type"])])

    def behind(self, visit: Visit) -> None:
        """Be a proxy in front of it."""
        visit.send(self.forward(visit))


def quick(url: str, token: str | Callable[[], str], spool: Path, **options: Any) -> Reporter:  # noqa: ANN401
    """Return a reporter that flushes and sends all the time."""
    return Reporter(url, token, spool, **{"flush_seconds": 0.02, "send_seconds": 0.02, **options})


def patient(server: FaultServer, spool: Path, **options: Any) -> Reporter:  # noqa: ANN401
    """Return a reporter to a fault server that sends only when it is told to."""
    always = {"flush_seconds": 60.0, "send_seconds": 60.0, "ca_file": server.ca_pem_path}
    return Reporter(server.url, "token-of-the-test", spool, **{**always, **options})


def in_turn(*modes: Mode) -> Mode:
    """Do one after the other; the last one for all that follow."""
    left = list(modes)

    def mode(visit: Visit) -> None:
        present = left.pop(0) if len(left) > 1 else left[0]
        present(visit)

    return mode


def accept(visit: Visit) -> None:
    """Accept whatever comes, as the service does."""
    visit.secure()
    reports = json.loads(visit.read_request().body)["reports"]
    visit.send(response(200, json.dumps({"accepted": len(reports), "duplicates": 0, "later": True}).encode()))


def problem(code: str, errors: list[dict[str, object]] | None = None, **members: object) -> bytes:
    """Return the body of one of the service's problems."""
    document = {"type": f"urn:control-core:telemetry:problem:{code}", "detail": "x", "errors": errors or [], **members}
    return json.dumps(document).encode()


def sent(server: FaultServer) -> list[list[dict[str, Any]]]:
    """Return the reports of each request that arrived."""
    return [json.loads(request.body)["reports"] for request in server.requests]


def refused(spool: Path) -> list[dict[str, Any]]:
    """Return what was set aside."""
    file = spool / "refused.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
