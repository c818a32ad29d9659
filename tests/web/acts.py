"""A service in front of which every route is called, and what its ledger has written for each call."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, select

from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.release import Release, ReleasePolicy
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import read_entries
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing.receipt import ReceiptKey, ReceiptKeys
from telemetry_service.storage.ledger import each_line
from telemetry_service.storage.tables import Base
from tests.support.actors import ADMIN
from tests.support.license_server import API_KEY, LicenseServer, Trouble, reply
from tests.support.running import Running

PROXY, CALLER = "127.0.0.1", "203.0.113.9"
"""The trusted proxy, and the address that it tells of."""

SEEN = {"last_seen_at", "last_used_at"}
"""The columns that say when a session or a token was last used, which is no act."""

_TABLES = [table for table in Base.metadata.sorted_tables if table.name not in {"ledger_pending", "process_heartbeats"}]
"""Without the count of repetitions, of which the first was an entry, and what each process writes by itself."""

PERSON, SERVICE, NOBODY = "admin", "service", "nobody"


class Written(NamedTuple):
    """An entry: what, by whom, and from where."""

    kind: Kind
    actor: str
    source: str | None = CALLER


def token(scope: Scope) -> str:
    """Return the actor of a call with the token of ``scope``."""
    return f"token:{scope.value}"


def sent(actor: str) -> list[Written]:
    """Return the entries of a payload that ``actor`` sent: the rest is the service's doing."""
    return [Written(Kind.PREPARED, actor), *answered()]


def answered() -> list[Written]:
    """Return the entries of an attempt."""
    return [Written(Kind.ATTEMPT, SERVICE, None), Written(Kind.ANSWERED, SERVICE, None)]


NOBODYS = UUID(int=0)


@dataclass
class Desk:
    """Calls the service from one place, as the bearer of a token or in the administrator's browser."""

    service: Running
    license_server: LicenseServer
    cookies: dict[str, str] = field(default_factory=dict, repr=False)
    csrf_token: str = field(default="", repr=False)
    known: UUID = NOBODYS
    """A transmission with an attempt."""

    def log_in(self) -> None:
        """Open a session, which later calls of the tab belong to."""
        self.cookies, self.csrf_token = self.service.log_in()

    def api(self, scope: Scope | None, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        """Call the REST API with the token of ``scope``."""
        headers = {"X-Forwarded-For": CALLER} | request.pop("headers", {})
        return self.service.call(scope, method, self._named(path), headers=headers, **request)

    def tab(self, method: str, path: str, **form: str) -> httpx.Response:
        """Call a page in the session's browser."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"X-Forwarded-For": CALLER, "Cookie": cookie, "X-CSRF-Token": self.csrf_token}
        return self.service.client.request(method, self._named(path), headers=headers, data=form or None)

    def written_by(self, act: Callable[["Desk"], httpx.Response]) -> list[Written]:
        """Return the entries that an act has written; it must not have failed."""
        before = self._seq()
        response = act(self)
        assert response.status_code < 500, response.text
        self.service.client.cookies.clear()
        with self.service.context.runtime.database.read() as tx:
            entries = read_entries(tx, list(each_line(tx.ledger, before)))
        assert all(entry.kind is not None for entry in entries)
        return [Written(entry.kind, entry.actor, entry.source) for entry in entries if entry.kind is not None]

    def changed_by(self, act: Callable[["Desk"], object]) -> set[str]:
        """Return the tables whose rows an act has changed, but for when its session or token was used."""
        before = self._rows()
        act(self)
        after = self._rows()
        return {name for name, rows in after.items() if rows != before[name]}

    def _rows(self) -> dict[str, Counter[str]]:
        engine = create_engine(self.service.database_url)
        with engine.connect() as connection:
            kept = {it.name: [column for column in it.c if column.name not in SEEN] for it in _TABLES}
            rows = {name: Counter(map(repr, connection.execute(select(*columns)))) for name, columns in kept.items()}
        engine.dispose()
        return rows

    def forget_counts(self) -> None:
        """Let whatever is counted begin anew, so that the next of its kind is written at once."""
        context = self.service.context
        context.authentication.refusals.flush()
        with context.runtime.database.write() as tx:
            tx.ledger.note_pending(self.service.clock.now())

    def fail_to_send(self) -> None:
        """Leave one transmission behind that the License Server refused."""
        runtime = self.service.context.runtime
        set_api_key(runtime, API_KEY, ADMIN)
        retry_failed(runtime, ADMIN)
        self.license_server.trouble(Trouble(before=reply(422)))
        self.known = send_now(runtime, ADMIN, None).transmission.transmission_id
        self.license_server.trouble()

    def prepare_only(self) -> None:
        """Leave one transmission behind that waits for its release."""
        runtime = self.service.context.runtime
        set_api_key(runtime, API_KEY, ADMIN)
        manual = replace(runtime.deployment, release=ReleasePolicy(Release.MANUAL))
        self.known = send_now(replace(runtime, deployment=manual), ADMIN, None).transmission.transmission_id

    def miss_receipt(self) -> None:
        """Leave one transmission behind of which the License Server has sent no receipt that a pinned key verifies."""
        runtime = self.service.context.runtime
        set_api_key(runtime, API_KEY, ADMIN)
        other = ReceiptKeys([ReceiptKey(Ed25519PrivateKey.generate().public_key())])
        strict = replace(runtime, deployment=replace(runtime.deployment, require_receipt=True), receipt_keys=other)
        self.known = send_now(strict, ADMIN, None).transmission.transmission_id

    def version(self) -> str:
        """Return the version of the settings."""
        return str(read_now(self.service.context.runtime, read_configuration).stored.version)

    def _named(self, path: str) -> str:
        of_transmission = {"transmission_id": self.known, "number": 1, "part": "body", "decision": "withdraw"}
        return path.format(bouncer_id="bnc-1", digest="x", name="y", **of_transmission)

    def _seq(self) -> int:
        with self.service.context.runtime.database.read() as tx:
            return tx.ledger.head().seq
