"""Whoever changes the database of a running service is found, and no page fails for what they have written."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.log.events import Event
from telemetry_service.pipeline.queries import proof
from telemetry_service.pipeline.queries.history import read_transmission
from telemetry_service.pipeline.snapshot import open_snapshot
from telemetry_service.pipeline.stages.sweep import Sweeper, sweep, verify_everything
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.pipeline.transmission_check import Flaw
from telemetry_service.pipeline.verification import read_verification
from tests.support.databases import ON_BOTH
from tests.support.license_server import LicenseServer
from tests.support.log_lines import lines_of
from tests.support.running import Running
from tests.support.tampering import (
    ATTEMPTS,
    EVIDENCE,
    HEAD,
    KEYS,
    LEDGER,
    LOGS,
    TAMPERINGS,
    VERDICT,
    Tampering,
    changed,
    rewrite_history,
    run,
    swap_waiting,
)
from tests.support.tampering import CONFIGURATION as CONFIGURATION_ROW
from tests.web.api.test_facts import report, send
from tests.web.security.test_authorization import PUBLIC, ROUTES, TAB

BOUNCER = "b:1"
NOT_PLAIN = ("/api-key/remove", "/history/export", "/entries/export", "/{decision}", "/components")
"""Routes that need more than their path: another parameter, or the demo mode."""

WAKINGS = 120
"""As many as there are in ten minutes."""

COLUMNS = (
    (LOGS, "state"),
    (LOGS, "cause"),
    (LOGS, "trigger"),
    (LOGS, "receipt"),
    (LOGS, "records_sent"),
    (LOGS, "created_at"),
    (LOGS, "accepted_at"),
    (LOGS, "prepared_sha256"),
    (ATTEMPTS, "state"),
    (ATTEMPTS, "started_at"),
    (ATTEMPTS, "payload_sha256"),
    (ATTEMPTS, "timestamp"),
    (EVIDENCE, "content"),
    (LEDGER, "line"),
    (LEDGER, "kind"),
    (LEDGER, "at"),
    (LEDGER, "actor"),
    (LEDGER, "transmission_id"),
    (KEYS, "sealed"),
    (HEAD, "checkpoint"),
)

CONFIGURATION = ("enabled", "frequency", "encrypt_payload", "anonymize_pii", "retention_days")


def history(service: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.call(Scope.READ, "GET", "telemetry/history").json()["transmissions"]
    return found


def present_in(service: Running) -> list[str]:
    return [one["transmission_id"] for one in history(service)]


def health(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = service.call(Scope.READ, "GET", "telemetry/health").json()
    return found


def metric(service: Running, name: str) -> float:
    lines = service.call(Scope.READ, "GET", "/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def session_of(service: Running) -> dict[str, str]:
    """Return the headers of a session; the login is an entry of the ledger."""
    cookies, _ = service.log_in()
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def failures(service: Running, session: dict[str, str], transmission_ids: list[str]) -> list[str]:
    """Return the pages and resources that do not answer, of all that only read."""
    failed = []
    for path, who in filled(transmission_ids):
        is_page = isinstance(who, str)
        headers = session | headers_for(path)
        response = service.client.get(path, headers=headers) if is_page else service.call(reader(who), "GET", path)
        if response.status_code not in fine_for(path):
            failed.append(f"{path}: {response.status_code}")
    return failed


def reader(scopes: str | set[Scope]) -> Scope:
    """Return a scope that may read a resource."""
    return Scope.READ if Scope.READ in scopes else Scope.ADMIN


def headers_for(path: str) -> dict[str, str]:
    """Return what only scripts send: without it, the tab itself shows these parts."""
    return {"HX-Request": "true"} if path == f"{TAB}/history" or path.endswith("/live") else {}


def fine_for(path: str) -> set[int]:
    """Return the statuses that are no failure of a path."""
    # The bytes of an attempt are gone once they are purged, and no bouncer is registered.
    return {200, 404} if "attempts" in path or "/bouncers/" in path else {200}


def filled(transmission_ids: list[str]) -> Iterator[tuple[str, str | set[Scope]]]:
    """Yield every path of the table of routes that only reads, for each transmission."""
    for (method, path), who in ROUTES.items():
        if method == "GET" and who != PUBLIC and not path.endswith(NOT_PLAIN):
            for transmission_id in transmission_ids if "{transmission_id}" in path else [""]:
                for part in ("payload", "body") if "{part}" in path else ("",):
                    yield path.format(transmission_id=transmission_id, number=1, part=part, bouncer_id=BOUNCER), who
    yield "/api/v1/telemetry/history/export?format=jsonl", {Scope.READ}
    yield "/api/v1/ledger/entries/export?format=jsonl", {Scope.READ}


def codes(service: Running) -> set[str]:
    found = verify_everything(service.context.runtime)
    assert found is not None
    return {problem.code for problem in found.problems}


def sweeps(service: Running) -> Iterator[set[str]]:
    """Yield what the health knows after each waking of the same day, until all was read again little by little."""
    sweeper, rounds, wakings = Sweeper(service.context.runtime), 0, 0
    while rounds < 2:  # The present one may have begun before the change.
        sweeper.run()
        rounds += service.context.runtime.swept.round is None
        wakings += 1
        with service.context.runtime.database.read() as tx:
            found = read_verification(service.context.runtime, tx)
        assert found is not None
        yield {problem.code for problem in found.problems}
    assert wakings < WAKINGS


def swept_codes(service: Running) -> set[str]:
    """Return what the health knows once all was read again."""
    return list(sweeps(service))[-1]


@pytest.mark.long
def test_every_page_answers_whatever_is_changed(lived: Running) -> None:
    session = session_of(lived)
    for tampering in TAMPERINGS:
        with changed(lived.database_url, tampering.change):
            assert failures(lived, session, present_in(lived)) == [], tampering.name


@pytest.mark.long
@ON_BOTH
def test_whatever_is_changed_is_found(lived: Running) -> None:
    accepted = next(one["transmission_id"] for one in history(lived) if one["status"] == "success")
    session = session_of(lived)
    assert swept_codes(lived) == set()
    for tampering in TAMPERINGS:
        with changed(lived.database_url, tampering.change):
            _is_found(lived, session, tampering, accepted)
    assert swept_codes(lived) == {"head_changed"}, "the entry about it has repaired it, but no one has seen that"
    assert lived.call(Scope.READ, "POST", "ledger/verify").json()["problems"] == []
    assert swept_codes(lived) == set()
    assert health(lived)["code"] != "ledger_broken"
    assert failures(lived, session, present_in(lived)) == []


def _is_found(service: Running, session: dict[str, str], tampering: Tampering, accepted: str) -> None:
    if tampering.in_drawer:
        assert "Not verified." in drawer(service, session, accepted), tampering.name
    assert any(tampering.code in codes for codes in sweeps(service)), tampering.name
    assert health(service)["code"] == "ledger_broken", tampering.name
    assert health(service)["status"] == "unhealthy", tampering.name
    assert metric(service, "telemetry_ledger_problems") > 0, tampering.name
    assert metric(service, 'telemetry_health_finding{code="ledger_broken"}') == 1, tampering.name


def drawer(service: Running, session: dict[str, str], transmission_id: str) -> str:
    return service.client.get(f"{TAB}/history/{transmission_id}", headers=session).text


@ON_BOTH
def test_a_swapped_payload_is_not_sent_by_anybody_until_it_is_restored(
    lived: Running, license_server: LicenseServer
) -> None:
    waiting = next(one["transmission_id"] for one in history(lived) if one["state"] == "held")
    retry = f"telemetry/history/{waiting}/retry"
    sent = len(license_server.journal())
    with changed(lived.database_url, swap_waiting):
        assert lived.call(Scope.ADMIN, "POST", retry).json()["cause"]["code"] == "payload_changed"
        assert health(lived)["code"] == "payload_changed"
        assert metric(lived, "telemetry_transmissions_payload_changed") == 1
        assert waiting not in retried_failed(lived)
        lived.clock.advance(timedelta(days=20))
        wake(lived.context.runtime)
        assert health(lived)["code"] == "payload_changed"
        assert waiting not in {str(entry.transmission_id) for entry in license_server.journal()[sent:]}
    assert lived.call(Scope.ADMIN, "POST", retry).json()["status"] == "success"


def retried_failed(service: Running) -> set[str]:
    retried = service.call(Scope.ADMIN, "POST", "telemetry/history/retry-failed").json()["transmissions"]
    return {one["transmission_id"] for one in retried}


def test_what_was_accepted_offers_no_withdrawal_and_retry_shows_it_so_again(
    lived: Running, license_server: LicenseServer
) -> None:
    cookies, proof = lived.log_in()
    session = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRF-Token": proof}
    accepted = next(one["transmission_id"] for one in history(lived) if one["status"] == "success")
    set_back = (
        f"UPDATE {LOGS} SET state = 'held', cause = 'payload_changed', accepted_at = NULL WHERE state = 'success'"
    )
    received = [entry.times_received for entry in license_server.journal()]
    with changed(lived.database_url, run(set_back)):
        shown = drawer(lived, session, accepted)
        assert 'id="drawer-retry"' in shown
        assert "It is shown as accepted again, and nothing is sent." in shown
        assert 'id="ask-withdraw"' not in shown
        lived.client.post(f"{TAB}/history/{accepted}/retry", data={"csrf_token": proof}, headers=session)
        assert next(one["status"] for one in history(lived) if one["transmission_id"] == accepted) == "success"
    assert [entry.times_received for entry in license_server.journal()] == received


def test_saving_the_form_as_it_is_approves_what_someone_has_changed(lived: Running) -> None:
    cookies, proof = lived.log_in()
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRF-Token": proof}
    with changed(lived.database_url, run(f"UPDATE {CONFIGURATION_ROW} SET anonymize_pii = false")):
        assert health(lived)["code"] == "settings_changed"
        answer = lived.call(Scope.READ, "GET", "telemetry/config")
        present = {**answer.json(), "version": answer.headers["ETag"].strip('"')}
        switches = {name: "on" for name in ("enabled", "encrypt_payload", "anonymize_pii") if present[name]}
        chosen = {name: str(present[name]) for name in ("version", "frequency", "retention_days")}
        saved = lived.client.post(f"{TAB}/save", data={"csrf_token": proof, **switches, **chosen}, headers=headers)
        assert saved.status_code == 303, saved.text
        assert health(lived)["code"] != "settings_changed"


@ON_BOTH
def test_prove_says_at_once_what_was_rewritten(lived: Running) -> None:
    accepted = next(one["transmission_id"] for one in history(lived) if one["status"] == "success")
    with changed(lived.database_url, rewrite_history), open_snapshot(lived.context.runtime) as snapshot:
        flaws = {it.flaw for it in proof.prove(snapshot, read_transmission(snapshot, UUID(accepted))).findings}
    assert {Flaw.PAYLOAD_CHANGED, Flaw.ROW_CHANGED, Flaw.ATTEMPT_CHANGED} <= flaws


def test_what_was_changed_is_said_while_telemetry_is_off(lived: Running) -> None:
    before = lived.call(Scope.READ, "GET", "telemetry/config")
    off = {name: before.json()[name] for name in CONFIGURATION} | {"enabled": False}
    lived.call(Scope.ADMIN, "PUT", "telemetry/config", json=off, headers={"If-Match": before.headers["ETag"]})
    with changed(lived.database_url, rewrite_history):
        verify_everything(lived.context.runtime)
        said = health(lived)
    assert (said["status"], said["code"]) == ("disabled", "disabled")
    assert "The verification of the ledger" in said["cause"]


def test_a_problem_is_one_entry_and_one_line_however_often_it_is_found(
    lived: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with changed(lived.database_url, rewrite_history):
        for _ in range(3):
            verify_everything(lived.context.runtime)
        with lived.context.runtime.database.read() as tx:
            entries = tx.ledger.latest(100, kind=Kind.VERIFY_FAILED.value)
    assert len(entries) == 1
    logged = [line["code"] for line in lines_of(caplog, Event.VERIFY_FAILED)]
    assert logged
    assert len(logged) == len(set(logged))


def test_a_forged_verdict_counts_as_none(lived: Running) -> None:
    runtime = lived.context.runtime
    verify_everything(runtime)
    for forged in (b"all is well", "all is well", 5):
        with changed(lived.database_url, run(f"UPDATE {VERDICT} SET sealed = :forged", forged=forged)):
            runtime.swept.verdict = None  # As in a process that has not seen another one.
            lines = lived.call(Scope.READ, "GET", "/metrics").text
            assert "telemetry_ledger_verified_entries 0.0\n" in lines
            assert sweep(runtime) is not None
    assert sweep(runtime) is None


@ON_BOTH
def test_an_older_verdict_hides_nothing_and_makes_the_sweep_verify_everything(lived: Running) -> None:
    runtime = lived.context.runtime
    verify_everything(runtime)
    with runtime.database.read() as tx:
        well = tx.verification.sealed()
    with changed(lived.database_url, rewrite_history):
        verify_everything(runtime)
        with runtime.database.write() as tx:
            tx.verification.replace(well or b"")
        assert health(lived)["code"] == "ledger_broken"
        verified = sweep(runtime)
        assert verified is not None
        assert "row_changed" in {problem.code for problem in verified.problems}


def test_new_entries_are_verified_at_the_next_waking(lived: Running) -> None:
    runtime = lived.context.runtime
    verify_everything(runtime)
    assert sweep(runtime) is None
    send(lived, report())
    lived.call(Scope.ADMIN, "POST", "telemetry/send-now")
    verified = sweep(runtime)
    assert verified is not None
    assert verified.problems == ()
    with runtime.database.read() as tx:
        assert verified.seq == tx.ledger.head().seq
    assert sweep(runtime) is None


def test_everything_is_verified_again_after_a_day(lived: Running) -> None:
    first = verify_everything(lived.context.runtime)
    lived.clock.advance(timedelta(days=1))
    second = sweep(lived.context.runtime)
    assert first is not None
    assert second is not None
    assert second.complete_at - first.complete_at == timedelta(days=1)


def test_one_replica_at_a_time_verifies_everything(lived: Running) -> None:
    runtime = lived.context.runtime
    verify_everything(runtime)
    lived.clock.advance(timedelta(days=1))
    now = lived.clock.now()
    with runtime.database.write() as tx:
        assert tx.schedule.begin_verification(now, now + timedelta(hours=1))
        assert not tx.schedule.begin_verification(now, now + timedelta(hours=1))
    assert sweep(runtime) is None
    lived.clock.advance(timedelta(hours=1))
    assert sweep(runtime) is not None, "the other one has crashed"
    lived.clock.advance(timedelta(days=1))
    assert sweep(runtime) is not None, "the lease was given back"


def test_no_value_of_a_wrong_type_stops_the_sweep(lived: Running) -> None:
    """SQLite takes any value into any column, and its CHECK constraints can be turned off."""
    for table, column in COLUMNS:
        for garbage in ("'garbage'", "x'ff00'", "-5"):
            change = run("PRAGMA ignore_check_constraints = ON", f"UPDATE {table} SET {column} = {garbage}")
            with changed(lived.database_url, change):
                assert codes(lived), f"{table}.{column} = {garbage}"
    lived.call(Scope.READ, "POST", "ledger/verify")  # What was repaired stays in the health until then.
    assert codes(lived) == set()
