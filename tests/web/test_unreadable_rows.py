"""Whatever somebody writes into a row: every page answers, says what cannot be read, and nothing of it is sent.

Each column of each table is walked. The resources and the acts take turns from value to value, so that those of a table
meet all of them. The walk is derived from the tables and the routes, so that a new one of either is walked by itself.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import RowUnreadableError
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.queries.activity import read_entries
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.storage.tables import Base
from tests.support.license_server import LicenseServer
from tests.support.rubbish import Database, Rubbish, rubbish
from tests.support.running import Running, code_in
from tests.web.api.test_facts import report, send
from tests.web.security.test_authorization import PUBLIC, TAB
from tests.web.test_tampering import BOUNCER, filled, headers_for, health, history, reader, session_of

TURNS = 6
"""Every sixth resource at a time."""

CREDENTIALS = ("admin_sessions", "service_tokens")
"""Who cannot be recognized any more is not let in."""

OFF = {"enabled": False, "frequency": "weekly", "encrypt_payload": True, "anonymize_pii": True, "retention_days": 90}


@dataclass
class Walk:
    """A service of which everything is asked while its database holds rubbish."""

    service: Running
    license_server: LicenseServer

    def __post_init__(self) -> None:
        self._session = session_of(self.service)
        self._transmission = history(self.service)[-1]["transmission_id"]
        self._routes = (*filled([self._transmission]), ("/readyz", PUBLIC), ("/login", PUBLIC))
        self.database = Database(self.service.database_url)

    def failures(self, it: Rubbish, turn: int) -> Iterator[str]:
        """Yield what fails while a row holds rubbish, of the resources and acts whose turn it is."""
        self.database.write(it)
        try:
            for path, who in self._routes[turn % TURNS :: TURNS]:
                status = self._status(path, who)
                if status not in self._fine(it, path):
                    yield f"{it}: {path}: {status}"
            acts = (self._sent, self._woken, self._swept, self._sent)
            yield from acts[turn % len(acts)](it)
        finally:
            self.database.restore()

    def _status(self, path: str, who: str | set[Scope]) -> int:
        if isinstance(who, set):
            return self.service.call(reader(who), "GET", path).status_code
        headers = {} if who == PUBLIC else self._session | headers_for(path)
        return self.service.client.get(path, headers=headers).status_code

    def _fine(self, it: Rubbish, path: str) -> set[int]:
        if it.table in CREDENTIALS:
            return {200, 303, 401}
        if self._transmission in path:
            return {200, 404, 409}  # It says which row of this one transmission cannot be read.
        if BOUNCER in path and it.table == "bouncers":
            return {200, 404}  # A row that cannot be read is no registered bouncer.
        if path == "/login":
            return {200, 409}  # Nobody can log in without an account that can be read.
        return {200}

    def _sent(self, it: Rubbish) -> Iterator[str]:
        """*Send Now*: what cannot be read is never sent."""
        if it.table in CREDENTIALS:
            return
        barred, before = health(self.service)["code"] == "row_unreadable", len(self.license_server.journal())
        response = self.service.call(Scope.ADMIN, "POST", "telemetry/send-now")
        left = len(self.license_server.journal()) - before
        if response.status_code not in {200, 202, 409} or (barred and (left or code_in(response) != "row-unreadable")):
            yield f"{it}: Send Now: {response.status_code}, {left} sent, {barred=}"

    def _woken(self, it: Rubbish) -> Iterator[str]:
        if it.table != "telemetry_schedule":
            self.database.make_due()
        yield from _survives(it, lambda: wake(self.service.context.runtime))

    def _swept(self, it: Rubbish) -> Iterator[str]:
        yield from _survives(it, lambda: sweep(self.service.context.runtime))


def _survives(it: Rubbish, job: Callable[[], object]) -> Iterator[str]:
    """Yield how a job fails. A refusal that names the column is logged, and the job is run again later."""
    try:
        job()
    except RowUnreadableError:
        return
    except Exception as error:  # noqa: BLE001 - whatever it is
        yield f"{it}: {error!r}"


@pytest.fixture
def walk(lived: Running, license_server: LicenseServer) -> Iterator[Walk]:
    """A service with a row in every table, as far as a life of a few minutes makes one."""
    _report_facts(lived)
    walk = Walk(lived, license_server)
    yield walk
    walk.database.close()


def _report_facts(service: Running) -> None:
    code = {"code_id": "code_1", "redeemed_at": "2026-11-01T00:00:00Z"}
    for method, path, body in (
        ("PUT", f"bouncers/{BOUNCER}", {"environment": "sandbox", "pair_id": "pair.1"}),
        ("PUT", "license", {"tier": "starter", "license_status": "active"}),
        ("POST", "extension-codes", code),
    ):
        assert service.call(Scope.REPORT, method, path, json=body).is_success, path
    for _ in range(2):  # The second one is only counted.
        assert service.call(Scope.READ, "GET", "ledger/export").is_success
    send(service, report())


@pytest.mark.long
@pytest.mark.timeout(400)
def test_every_page_answers_whatever_somebody_has_written_into_a_row(walk: Walk) -> None:
    walked = list(rubbish())
    assert {it.table for it in walked} == set(Base.metadata.tables)
    failed = [failure for turn, it in enumerate(walked) for failure in walk.failures(it, turn)]
    assert failed == [], "\n".join(failed)


ONE_ROW = (
    ("installation", "created_at"),
    ("telemetry_configuration", "frequency"),
    ("telemetry_schedule", "next_run_at"),
    ("license_posture", "tier"),
    ("license_server_last_exchange", "attempt_at"),
    ("reporting_periods", "opened_at"),
)


def test_while_a_row_that_everything_needs_cannot_be_read_telemetry_can_be_turned_off(walk: Walk) -> None:
    service = walk.service
    for table, column in ONE_ROW:
        walk.database.write(Rubbish(table, column, "'rubbish'"))
        said = health(service)
        assert (said["status"], said["code"]) == ("unhealthy", "row_unreadable"), table
        assert f"{table}.{column}" in said["cause"], table
        shown = service.call(Scope.READ, "GET", "telemetry/config")
        saved = {"json": OFF, "headers": {"If-Match": shown.headers["ETag"]}, "params": {"confirm": "true"}}
        response = service.call(Scope.ADMIN, "PUT", "telemetry/config", **saved)
        assert response.is_success, f"{table}: {response.text}"
        assert (health(service)["code"], response.json()["enabled"]) == ("disabled", False), table
        walk.database.restore()


def test_a_save_replaces_a_configuration_that_cannot_be_read_and_the_ledger_says_so(walk: Walk) -> None:
    walk.database.write(Rubbish("telemetry_configuration", "retention_days", "'rubbish'"))
    headers = {"If-Match": "*"}
    assert walk.service.call(Scope.ADMIN, "PUT", "telemetry/config", json=OFF, headers=headers).is_success
    with walk.service.context.runtime.database.read() as tx:
        entry = read_entries(tx, tx.ledger.latest(1, kind=Kind.SETTINGS))[0]
    assert entry.details["changes"]["retention_days"] == "unreadable -> 90"


def test_a_transmission_that_cannot_be_read_is_shown_as_such_and_keeps_no_other_from_being_sent(walk: Walk) -> None:
    service = walk.service
    held, rejected, accepted = (it["transmission_id"] for it in history(service))
    walk.database.write(Rubbish("telemetry_transmission_logs", "created_at", "'rubbish'"), "state = 'rejected'")
    page = service.call(Scope.READ, "GET", "telemetry/history").json()
    assert [it["transmission_id"] for it in page["transmissions"]] == [held, accepted]
    unreadable = {"transmission_id": rejected, "unreadable": "telemetry_transmission_logs.created_at"}
    assert page["unreadable"] == [unreadable]
    exported = service.call(Scope.READ, "GET", "telemetry/history/export?format=jsonl").text.splitlines()
    assert json.loads(exported[1]) == unreadable
    tab = service.client.get(TAB, headers=session_of(service)).text
    assert "A transmission cannot be read" in tab
    assert rejected in tab
    retried = service.call(Scope.ADMIN, "POST", "telemetry/history/retry-failed").json()["transmissions"]
    assert {it["transmission_id"]: it["status"] for it in retried} == {held: "success"}
    one = service.call(Scope.READ, "GET", f"telemetry/history/{rejected}")
    assert (code_in(one), "telemetry_transmission_logs.created_at" in one.text) == ("row-unreadable", True)


def test_an_entry_that_cannot_be_read_is_shown_as_such(walk: Walk) -> None:
    walk.database.write(Rubbish("telemetry_ledger", "at", "'rubbish'"), "seq = 3")
    entry = walk.service.call(Scope.READ, "GET", "ledger?after=2&limit=1").json()["entries"][0]
    assert (entry["seq"], entry["unreadable"], entry["claims"]["seq"]) == (3, "telemetry_ledger.at", 3)
    listed = walk.service.client.get(f"{TAB}/activity", headers=session_of(walk.service)).text
    assert "This entry cannot be read" in listed


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_postgresql_lets_its_owner_write_is_shown_as_such(lived: Running) -> None:
    held, rejected, accepted = (it["transmission_id"] for it in history(lived))
    engine = create_engine(lived.database_url)
    with engine.begin() as connection:
        for statement in (
            "UPDATE telemetry_transmission_logs SET created_at = 'infinity' WHERE state = 'rejected'",
            "ALTER TABLE telemetry_transmission_logs DROP CONSTRAINT ck_telemetry_transmission_logs_trigger",
            "UPDATE telemetry_transmission_logs SET trigger = 'no member' WHERE state = 'held'",
            "ALTER TABLE telemetry_schedule ALTER COLUMN next_run_at DROP NOT NULL",
            "UPDATE telemetry_schedule SET next_run_at = NULL",
        ):
            connection.execute(text(statement))
    engine.dispose()
    page = lived.call(Scope.READ, "GET", "telemetry/history").json()
    assert [it["transmission_id"] for it in page["transmissions"]] == [accepted]
    assert page["unreadable"] == [
        {"transmission_id": held, "unreadable": "telemetry_transmission_logs.trigger"},
        {"transmission_id": rejected, "unreadable": "telemetry_transmission_logs.created_at"},
    ]
    assert health(lived)["code"] == "row_unreadable"
    assert "telemetry_schedule.next_run_at" in health(lived)["cause"]
    assert lived.client.get(TAB, headers=session_of(lived)).status_code == 200
    assert code_in(lived.call(Scope.ADMIN, "POST", "telemetry/send-now")) == "row-unreadable"
