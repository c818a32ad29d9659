"""The question in the tab, by REST and on the command line."""

from pathlib import Path

from telemetry_service.domain.actor import SERVICE
from telemetry_service.domain.ledger import Kind
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.head_file import read_head
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.support.running import Running, code_in

__all__ = ["bare", "cli", "connected", "license_server"]

TAB = "/settings/general/telemetry"


def mark_restored(service: Running) -> None:
    with service.context.runtime.database.write() as tx:
        tx.installation.restored(service.clock.now())
        tx.ledger.note(service.clock.now(), SERVICE, Kind.RESTORED)


def test_the_tab_asks_once_and_takes_the_answer(database_url: str) -> None:
    with Running(database_url) as service:
        cookies, proof = service.log_in()
        service.client.cookies.update(cookies)
        assert "They were not sent" not in service.client.get(TAB).text
        mark_restored(service)
        page = service.client.get(TAB).text
        assert "They were not sent" in page
        assert "Every other payload that waits has to be released" in page
        assert "let them do so before you click <em>They were sent</em>" in page
        form = {"csrf_token": proof, "open_period": "sent"}
        answered = service.client.post(f"{TAB}/restored", data=form)
        assert answered.headers["location"] == f"{TAB}?done=restored"
        assert "They were not sent" not in service.client.get(TAB).text
        assert service.client.post(f"{TAB}/restored", data=form).status_code == 409


def test_by_rest_it_is_answered_once_and_any_other_answer_is_refused(database_url: str) -> None:
    with Running(database_url) as service:
        mark_restored(service)
        for body in ({"open_period": "perhaps"}, {}, {"open_period": "sent", "more": 1}, {"open_period": True}):
            refused = service.call(Scope.ADMIN, "POST", "telemetry/restored", json=body)
            assert (refused.status_code, code_in(refused)) == (422, "input-invalid"), body
        answer = {"open_period": "sent"}
        assert service.call(Scope.ADMIN, "POST", "telemetry/restored", json=answer).status_code == 204
        again = service.call(Scope.ADMIN, "POST", "telemetry/restored", json=answer)
        assert (again.status_code, code_in(again)) == (409, "not-restored")


def test_a_service_keeps_its_head_beside_its_database(sqlite_url: str) -> None:
    with Running(sqlite_url) as service:
        runtime = service.context.runtime
        assert runtime.head_file == Path(f"{sqlite_url.removeprefix('sqlite:///')}.ledger-head")
        started = read_head(runtime)
        assert started is not None
        service.log_in()
    stopped = read_head(runtime)
    assert stopped is not None
    assert stopped.seq > started.seq


def test_the_command_says_what_to_do_and_takes_the_answer(connected: CommandLine) -> None:
    cli = connected
    assert cli("restored").code == 0
    held = cli("restored", "--anchor", "7" * 64)
    assert (held.code, "restored --open-period sent" in held.out) == (6, True)
    assert "let them do so before you say sent" in " ".join(held.out.split())
    refused = cli("send-now")
    assert (refused.code, "(restored)" in refused.err) == (6, True)
    assert cli("restored").code == 6
    assert cli("restored", "--open-period", "unsent").code == 0
    again = cli("restored", "--open-period", "unsent")
    assert (again.code, "(not-restored)" in again.err) == (6, True)


def test_an_anchor_that_is_none_is_a_usage_error(cli: CommandLine) -> None:
    assert cli("restored", "--anchor", "head").code == 2
