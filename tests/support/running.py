"""The whole service, served by its real server on the loopback, with a clock that the test moves."""

import ssl
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from fastapi import FastAPI

from telemetry_service.app import make_app
from telemetry_service.domain.person import Person
from telemetry_service.identity.passwords import HashCost
from telemetry_service.identity.scopes import Scope
from telemetry_service.identity.sessions import Proven
from telemetry_service.pipeline.heartbeat import HeartbeatLimits
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, Service, open_service
from telemetry_service.settings import load_settings
from telemetry_service.web.context import WebContext
from telemetry_service.web.http.connection_limits import ConnectionLimits
from telemetry_service.web.http.server import server_config
from tests.support.actors import CLI, STRANGER
from tests.support.frozen_clock import FrozenClock

PASSWORD = "correct horse battery"
CHEAP = HashCost(rounds=1, memory_kib=8, lanes=1)
_START_SECONDS = 30
UNUSED_TLS = ssl.create_default_context()
"""For clients of plain HTTP: httpx reads all authorities for each client, be it that it speaks no TLS."""


@dataclass
class Running:
    """A running service; use it as a context manager. ``tokens`` has one for each scope."""

    database_url: str
    environment: dict[str, str] = field(default_factory=dict)
    clock: FrozenClock = field(default_factory=FrozenClock)
    tokens: dict[Scope, str] = field(default_factory=dict, repr=False)
    limits: ConnectionLimits | None = None
    proxies: tuple[str, ...] = ()
    heartbeat: HeartbeatLimits | None = None
    scheduled: bool = False
    port: int = 0
    """0 for any that is free."""

    def __enter__(self) -> Self:
        self.service: Service = open_service(
            load_settings(
                {
                    "ENCRYPTION_KEY": generate_key(),
                    "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
                    "TELEMETRY_DATABASE_URL": self.database_url,
                    "TELEMETRY_ADMIN_PASSWORD": PASSWORD,
                    **self.environment,
                }
            ),
            Options(clock=self.clock, hash_cost=CHEAP, heartbeat=self.heartbeat, scheduled=self.scheduled),
        )
        self.app: FastAPI = make_app(self.service)
        self._server = uvicorn.Server(server_config(self.app, "127.0.0.1", self.port, self.proxies, self.limits))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        self.client = httpx.Client(base_url=self._address(), trust_env=False, timeout=60, verify=UNUSED_TLS)
        for scope in Scope:
            self.tokens[scope] = self.context.authentication.tokens.create(scope.value, [scope], CLI).token
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join()

    @property
    def context(self) -> WebContext:
        """What the routes work with."""
        context: WebContext = self.app.state.context
        return context

    def call(self, scope: Scope | None, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        """Make a call of the API with the token of ``scope``; a path that begins with no slash is below ``/api/v1``."""
        headers = dict(request.pop("headers", {}))
        if scope is not None:
            headers["Authorization"] = f"Bearer {self.tokens[scope]}"
        target = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, target, headers=headers, **request)

    def send_raw(self, scope: Scope, method: str, path: str, body: bytes) -> httpx.Response:
        """Make a call whose body is these bytes, said to be JSON."""
        return self.call(scope, method, path, content=body, headers={"Content-Type": "application/json"})

    def log_in(self) -> tuple[dict[str, str], str]:
        """Return the cookies and the CSRF token of a new session."""
        opened = self.context.authentication.sessions.log_in("admin", PASSWORD, STRANGER)
        return {"telemetry_session": opened.token}, opened.session.csrf_token

    def log_in_as(self, person: Person) -> tuple[dict[str, str], str]:
        """Return the same for a person whom an issuer has just authenticated."""
        opened = self.context.authentication.sessions.open(Proven(person, self.clock.now()), STRANGER)
        return {"telemetry_session": opened.token}, opened.session.csrf_token

    def _address(self) -> str:
        until = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                message = "the service did not start"
                raise TimeoutError(message)
            time.sleep(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"


def problem_in(response: httpx.Response) -> dict[str, Any]:
    """Return the problem document of a refusal, after a look at its form."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    members = {"type", "title", "status", "detail", "retryable"}
    assert members <= set(document) <= members | {"errors", "consequences", "request_id"}
    assert document["type"].startswith("urn:control-core:telemetry:problem:")
    assert document["status"] == response.status_code
    assert document["title"]
    assert document.get("request_id") == response.headers.get("X-Request-Id")
    assert document["detail"].endswith((".", "?"))
    return document


def code_in(response: httpx.Response) -> str:
    """Return the last part of a problem's type."""
    return str(problem_in(response)["type"].rpartition(":")[2])


def fields_in(response: httpx.Response) -> list[str]:
    """Return the fields that a problem names."""
    return [error["field"] for error in problem_in(response)["errors"]]
