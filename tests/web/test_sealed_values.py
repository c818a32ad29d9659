"""A sealed value that cannot be opened fails no page and no call, whatever the reason, and is named in words."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import create_engine, literal, update

from telemetry_service.domain.sealed_kind import SealedKind
from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.storage.sealed_values import COLUMNS
from tests.support.actors import ADMIN
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.operations_page import shell_of
from tests.support.running import Running
from tests.web.api.test_facts import report, send
from tests.web.security.test_authorization import TAB
from tests.web.test_tampering import health, history, session_of

NEW_KEY = "ck_test_new_0Zq81"
KEYS = {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with LicenseServer(tmp_path / "license-server", clock := FrozenClock()) as server:
        server.store.add_key(NEW_KEY, CUSTOMER)
        _ = clock
        server.trouble(Trouble(before=reply(401)))
        yield {
            **KEYS,
            "TELEMETRY_LICENSE_SERVER_URL": server.server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(server.server.ca_pem_path),
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        }


def live(service: Running) -> None:
    """Let two API keys overlap, and a payload wait."""
    service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY})
    put = service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": NEW_KEY})
    assert put.json()["old_api_key"]["hint"] == API_KEY[-4:]
    send(service, report())
    assert service.call(Scope.ADMIN, "POST", "telemetry/send-now").is_success


def test_no_sealed_value_that_cannot_be_opened_fails_a_page(database_url: str, environment: dict[str, str]) -> None:
    with Running(database_url, environment) as service:
        live(service)
        waiting = [one["transmission_id"] for one in history(service)]
        session = session_of(service)
        page = service.client.get(f"{TAB}/settings", headers=session).text
        assert "The old key, ending in" in page
        forms: tuple[bytes | str, ...] = (b"\x02\xff", "a text", bytes(60), b"")
        for kind, wrong in zip(COLUMNS, cycle(forms), strict=False):
            with spoiled(service, kind, wrong):
                assert those_that_open_something(service, session, waiting[0]) == [200] * 10, kind
        assert service.call(Scope.ADMIN, "POST", "telemetry/config/api-key/reveal").json()["api_key"] == NEW_KEY


def those_that_open_something(service: Running, session: dict[str, str], transmission_id: str) -> list[int]:
    """Return the status of each page and resource that needs a sealed value."""
    pages = (TAB, f"{TAB}/settings", f"{TAB}/history/{transmission_id}", f"{TAB}/activity")
    resources = ("config", "preview", "health", "history", f"history/{transmission_id}")
    said = [service.client.get(path, headers=session) for path in pages]
    said += [service.call(Scope.READ, "GET", f"telemetry/{path}") for path in resources]
    return [response.status_code for response in (*said, service.call(Scope.READ, "GET", "ledger"))]


@contextmanager
def spoiled(service: Running, kind: SealedKind, wrong: bytes | str) -> Iterator[None]:
    """Put something else in the place of every value of a kind, and put the values back."""
    column = COLUMNS[kind]
    with service.context.runtime.database.read() as tx:
        values = tx.sealed_values.some(kind, None, 100)
    table, engine = column.table.__table__, create_engine(service.database_url)
    with engine.begin() as connection:
        connection.execute(update(table).values({column.sealed: literal(wrong)}))
    yield
    with engine.begin() as connection:
        for value in values:
            connection.execute(
                update(table).where(column.key_column == value.key).values({column.sealed: value.sealed})
            )
    engine.dispose()


def _revoke_all(service: Running) -> None:
    """Let the next service create its own tokens."""
    tokens = service.context.authentication.tokens
    for facts in tokens.list():
        if facts.revoked_at is None:
            tokens.revoke(facts.token_id, ADMIN)


def test_under_another_key_all_pages_answer_and_say_what_to_do(database_url: str, environment: dict[str, str]) -> None:
    with Running(database_url, environment) as service:
        live(service)
        _revoke_all(service)
    with Running(database_url, {**environment, "ENCRYPTION_KEY": generate_key()}) as service:
        session = session_of(service)
        for entered in (False, True):
            if entered:
                put = service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": NEW_KEY})
                assert put.is_success, "it can be entered again"
            waiting = [one["transmission_id"] for one in history(service)]
            assert those_that_open_something(service, session, waiting[0]) == [200] * 10
            said = health(service)
            assert (said["code"] == "api_key_unusable") is not entered
            for path in (
                "telemetry/send-now",
                "telemetry/config/api-key/reveal",
                f"telemetry/history/{waiting[0]}/retry",
            ):
                refused = service.call(Scope.ADMIN, "POST", path)
                assert refused.status_code < 500
                if not entered:
                    assert "cannot be decrypted" in refused.json()["detail"]
        page = service.client.get(f"{TAB}/settings", headers=session).text
        assert "The old key, ending in" not in page
        _revoke_all(service)
    with Running(database_url, environment) as service:
        _enter_as_the_page_says(service, NEW_KEY[::-1])
        assert service.call(Scope.READ, "GET", "telemetry/config").json()["old_api_key"] is None


def _enter_as_the_page_says(service: Running, api_key: str) -> None:
    url = str(service.client.base_url).rstrip("/")
    variables = {"TOKEN": service.tokens[Scope.ADMIN], "NEW_API_KEY": api_key, "URL": url, "PATH": os.environ["PATH"]}
    script = "\n".join(shell_of("### The API key"))
    subprocess.run(["/bin/bash", "-ec", script], env=variables, check=True, capture_output=True)
