"""A whole product as an administrator meets it: the web application on a port, its clock and a License Server."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import uvicorn

from telemetry_service.app import create_app
from telemetry_service.domain.facts import BouncerRegistration, Environment, ExtensionCode, LicensePosture
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.payload_schemas.published import PublishedSchemas
from telemetry_service.identity.passwords import HashCost
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.report_facts import redeem_code, register_bouncer, report_license
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import list_activity
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.history import TransmissionDetail
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import record
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.service import Options
from telemetry_service.settings import load_settings
from telemetry_service.web.http.server import server_config
from tests.support.actors import ADMIN, OPS, STRANGER
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.shared_clock import SharedClock
from tests.support.site import LIMITS, usage

PASSWORD = "correct horse battery staple"
TAB = "/settings/general/telemetry"
_KEYS = {
    "ENCRYPTION_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "CREDENTIAL_ENCRYPTION_KEY": "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
}
_CHEAP = HashCost(rounds=1, memory_kib=8, lanes=1)
_READY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the deployment decides about a console."""

    customer_id: str | None = CUSTOMER
    enabled: bool = True
    license_server: bool = True
    pinned: bool = True
    limits: ExchangeLimits = LIMITS
    environment: dict[str, str] = field(default_factory=dict)
    schemas: PublishedSchemas | None = None


class Console:
    """Use it as a context manager: it serves until the end of the block."""

    def __init__(
        self,
        database_url: str,
        clock: SharedClock,
        server: LicenseServer,
        deployed: Deployed | None = None,
    ) -> None:
        """Prepare a console; nothing runs yet."""
        self.clock = clock
        self.server = server
        deployed = deployed or Deployed()
        self.environment = environment = _environment(database_url, server, deployed)
        options = Options(
            clock=clock, limits=deployed.limits, hash_cost=_CHEAP, scheduled=False, schemas=deployed.schemas
        )
        settings = load_settings(environment)
        self.app = create_app(settings, options)
        self.runtime: Runtime = self.app.state.context.runtime
        self._uvicorn = uvicorn.Server(server_config(self.app, "127.0.0.1", 0, settings.trusted_proxies))
        self._thread = threading.Thread(target=self._uvicorn.run, name="console", daemon=True)
        # An exchange runs in an event loop of its own, and Playwright has one in the thread of the test.
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sender")

    def __enter__(self) -> Self:
        self._thread.start()
        waited = threading.Event()
        for _ in range(_READY_SECONDS * 100):
            if self._uvicorn.started:
                return self
            waited.wait(0.01)
        message = "the console did not start"
        raise RuntimeError(message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.should_exit = True
        self._thread.join()
        self._sender.shutdown()

    @property
    def url(self) -> str:
        """The base URL of the console."""
        (listener,) = self._uvicorn.servers[0].sockets
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def tab(self) -> str:
        """The address of the settings tab."""
        return self.url + TAB

    @property
    def settings(self) -> str:
        """The address of the settings."""
        return f"{self.tab}/settings"

    def noted(self, kind: Kind) -> bool:
        """Whether the ledger has an entry of a kind."""
        return any(it.kind is kind for it in read_now(self.runtime, list_activity))

    def session_cookie(self) -> str:
        """Log in beside the browser, and return the value of the session's cookie."""
        return self.app.state.context.authentication.sessions.log_in("admin", PASSWORD, STRANGER).token  # type: ignore[no-any-return]

    def device_cookie(self) -> str:
        """Return what a browser is known by that has logged in before."""
        return str(self.app.state.context.authentication.devices.issue(None, 1))

    # What happens at the site while the administrator looks at the tab.

    def set_key(self, api_key: str = API_KEY) -> None:
        """Configure the API key."""
        set_api_key(self.runtime, api_key, ADMIN)

    def configure(self, **changes: object) -> None:
        """Save the configuration with some values changed, as somebody else would."""
        stored = read_now(self.runtime, read_configuration).stored
        values = stored.values.model_copy(update=changes)
        save_configuration(self.runtime, values, stored.version, ADMIN)

    def register_pairs(self, pairs: int) -> None:
        """Register so many bouncer pairs; every fourth lacks its sandbox bouncer."""
        for number in range(pairs):
            pair = f"pair-{number:02}"
            self._register(f"{pair}-production", Environment.PRODUCTION, pair)
            if number % 4:
                self._register(f"{pair}-sandbox", Environment.SANDBOX, pair)

    def report(self, pairs: int, scale: int = 1) -> None:
        """Let the bouncers of so many pairs report their day."""
        reports = []
        for number in range(pairs):
            pair = f"pair-{number:02}"
            events = scale * (40 + 17 * number)
            reports.append(usage(events, events - 5, events - 9, bouncer=f"{pair}-production"))
            if number % 4:
                sandbox = usage(
                    events // 4, events // 5, events // 6, bouncer=f"{pair}-sandbox", environment=Environment.SANDBOX
                )
                reports.append(sandbox)
        record(self.runtime, [reports])

    def report_license(self) -> None:
        """Report a trial license of which 45 days are left."""
        now = self.clock.now()
        posture = LicensePosture(
            tier=Tier.TRIAL,
            license_status=LicenseStatus.TRIAL,
            expires_at=now.replace(year=now.year + 1),
            token_issued_at=now,
            token_expires_at=now.replace(year=now.year + 1),
        )
        report_license(self.runtime, posture, OPS)

    def redeem(self, code_id: str) -> None:
        """Redeem an extension code."""
        redeem_code(self.runtime, ExtensionCode(code_id=code_id, redeemed_at=self.clock.now()), OPS)

    def send(self) -> TransmissionDetail:
        """Click Send Now, as somebody else would."""
        return self._sender.submit(send_now, self.runtime, ADMIN, str(uuid4())).result()

    def retry_all(self) -> None:
        """Click Retry all failed, as somebody else would."""
        self._sender.submit(retry_failed, self.runtime, ADMIN).result()

    def tick(self) -> None:
        """Let the next run fall due, and wake."""
        due = read_now(self.runtime, read_configuration).next_run_at
        if due is not None:
            self.clock.set(max(due, self.clock.now()))
        self.wake()

    def wake(self) -> None:
        """Do what is due, as the scheduler would."""
        self._sender.submit(wake, self.runtime).result()

    def _register(self, bouncer_id: str, environment: Environment, pair_id: str) -> None:
        register_bouncer(self.runtime, bouncer_id, BouncerRegistration(environment=environment, pair_id=pair_id), OPS)


def transmission_url(console: Console, transmission_id: UUID) -> str:
    """Return the address of a transmission."""
    return f"{console.tab}/history/{transmission_id}"


def _environment(database_url: str, server: LicenseServer, deployed: Deployed) -> dict[str, str]:
    environment = {
        **_KEYS,
        "TELEMETRY_DATABASE_URL": database_url,
        "TELEMETRY_DEPLOYMENT_VERSION": "4.2.0",
        "TELEMETRY_ENABLED": "true" if deployed.enabled else "false",
        "TELEMETRY_ADMIN_PASSWORD": PASSWORD,
        "TELEMETRY_SEND_SPREAD_SECONDS": "300",
        **deployed.environment,
    }
    if deployed.customer_id is not None:
        environment["TELEMETRY_CUSTOMER_ID"] = deployed.customer_id
    if deployed.license_server:
        environment["TELEMETRY_LICENSE_SERVER_URL"] = server.server.url
        environment["TELEMETRY_LICENSE_SERVER_CA_FILE"] = str(server.server.ca_pem_path)
    if deployed.pinned:
        environment["TELEMETRY_LICENSE_SERVER_PUBLIC_KEY"] = server.public_key
    return environment
