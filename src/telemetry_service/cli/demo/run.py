"""Runs the demo: License Server, past, service, in this order, and stops them in reverse."""

import os
import shlex
import socket
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random

from control_core_telemetry_reporter import Reporter
from telemetry_service.app import create_app
from telemetry_service.cli.demo.audit_table import AuditTable
from telemetry_service.cli.demo.block import Running, block
from telemetry_service.cli.demo.control_plane import ControlPlane
from telemetry_service.cli.demo.folder import DemoFolder, DemoSecrets
from telemetry_service.cli.demo.offset_clock import OffsetClock
from telemetry_service.cli.demo.past_service import PastService, past_service
from telemetry_service.cli.demo.routine import CUSTOMER_ID
from telemetry_service.cli.demo.story import story
from telemetry_service.cli.demo.world import World, live
from telemetry_service.cli.listening import CannotListenError, listen, url_of
from telemetry_service.cli.output import say, say_on_stderr
from telemetry_service.cli.server import run_server
from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.identity.scopes import Scope
from telemetry_service.log.options import LogFormat, LogLevel
from telemetry_service.log.setup import set_up_log
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.reference.background import ReferenceProcess, temporary_options
from telemetry_service.reference.options import Grant, LicenseBlock
from telemetry_service.settings import Settings, load_settings

_LOOPBACK = "127.0.0.1"
_NEVER_SECONDS = 86_400.0
_SEED = 20_261
"""The same numbers every time."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo in its folder, already listening."""

    folder: DemoFolder
    secrets: DemoSecrets
    listener: socket.socket
    with_source: bool = False
    """Whether the service also counts from an audit table."""

    def run(self) -> None:
        """Run until stopped."""
        set_up_log(LogLevel.ERROR, LogFormat.CONSOLE)
        with self._license_server() as license_server:
            environment, audit = self._environment(license_server), self._audit_table()
            serving = environment | ({"TELEMETRY_SOURCE_DATABASE_URL": audit.url} if audit else {})
            self.folder.write("environment", _shell_file(serving))
            settings = load_settings(environment)  # The past was only reported.
            if not self.secrets.complete:
                say_on_stderr("Reporting and sending two months of telemetry; this takes a few seconds.")
                self._play_past(settings, license_server)
            with audit.filling_up() if audit else nullcontext():
                self._serve(load_settings(serving), license_server)

    def _audit_table(self) -> AuditTable | None:
        if not self.with_source:
            return None
        audit = AuditTable(self.folder.path / "control-plane.db", SystemClock(), Random(_SEED))  # noqa: S311 - as below
        audit.create()
        return audit

    def _license_server(self) -> ReferenceProcess:
        trial = LicenseBlock(
            tier=Tier.TRIAL, license_status=LicenseStatus.TRIAL, expires_at=self.secrets.trial_expires_at
        )
        options = temporary_options(
            self.folder.path / "license-server",
            SystemClock().now(),
            [Grant(api_key=key, customer_id=CUSTOMER_ID) for key in (self.secrets.api_key, self.secrets.later_api_key)],
            port=_free_port(self.secrets.license_server_port),
            licenses={CUSTOMER_ID: trial},
        )
        return ReferenceProcess(options.model_copy(update={"control_token": self.secrets.control_token}))

    def _environment(self, license_server: ReferenceProcess) -> dict[str, str]:
        return {
            "DEMO_MODE": "true",
            "ENCRYPTION_KEY": self.secrets.encryption_key,
            "CREDENTIAL_ENCRYPTION_KEY": self.secrets.credential_encryption_key,
            "TELEMETRY_DATABASE_URL": f"sqlite:///{self.folder.path / 'telemetry.db'}",
            "TELEMETRY_LICENSE_SERVER_URL": license_server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.ca_file),
            "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": license_server.public_key,
            "TELEMETRY_ADMIN_PASSWORD": self.secrets.admin_password,
        }

    def _play_past(self, settings: Settings, license_server: ReferenceProcess) -> None:
        clock = OffsetClock(SystemClock())
        now = clock.now()
        events = story(now, self.secrets)
        clock.set_to(min(event.at for event in events))
        with past_service(settings, clock) as past:
            control_plane, administrator = self._make_tokens(past)
            with self._reporter(past.url, control_plane, clock) as reporter:
                world = World(
                    clock=clock,
                    license_server=license_server,
                    control_plane=ControlPlane(past.url, control_plane),
                    reporter=reporter,
                    administrator=ControlPlane(past.url, administrator),
                    wake=lambda: wake(past.service.runtime),
                    random=Random(_SEED),  # noqa: S311 - figures of a demo, not a secret
                )
                live(world, events, now)
                world.return_to_present()
        port = license_server.options.port
        self.folder.keep(self.secrets.model_copy(update={"complete": True, "license_server_port": port}))

    def _reporter(self, url: str, token: str, clock: OffsetClock) -> Reporter:
        """Return the reporter of the services that count. It sends when the story says so."""
        return Reporter(
            url,
            token,
            self.folder.path / "reporter",
            now=lambda: clock.now().timestamp(),
            flush_seconds=_NEVER_SECONDS,
            send_seconds=_NEVER_SECONDS,
        )

    def _make_tokens(self, past: PastService) -> tuple[str, str]:
        """Create the tokens of the story, which the reader can also use to try things."""
        reporter = past.make_token("control-plane", Scope.REPORT)
        administrator = past.make_token("administration", Scope.ADMIN)
        self.folder.write("report-token", reporter)
        self.folder.write("admin-token", administrator)
        return reporter, administrator

    def _serve(self, settings: Settings, license_server: ReferenceProcess) -> None:
        running = Running(
            url=url_of(self.listener),
            password=self.secrets.admin_password,
            folder=_as_named_here(self.folder.path),
            license_server_url=license_server.url,
            continued=self.secrets.complete,
            with_source=self.with_source,
        )
        self.folder.write("license-server.curl", _curl_file(license_server, self.secrets.control_token))
        run_server(create_app(settings), self.listener, lambda: say(block(running)))


def _free_port(port: int) -> int:
    """Return ``port`` if it is still free, else 0."""
    try:
        listen(_LOOPBACK, port).close()
    except CannotListenError:
        return 0
    return port


def _curl_file(license_server: ReferenceProcess, control_token: str) -> str:
    """Return curl's configuration for the control interface, so that no secret is on a command line."""
    return f'cacert = "{license_server.ca_file}"\nheader = "Authorization: Bearer {control_token}"'


def _shell_file(environment: dict[str, str]) -> str:
    """Return what lets a shell run commands over the demo's database."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())


def _as_named_here(path: Path) -> Path:
    here = Path.cwd()
    return Path(os.path.relpath(path, here)) if path.is_relative_to(here) else path
