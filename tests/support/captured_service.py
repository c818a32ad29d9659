"""Runs the real service in a network of its own, and prints as JSON all that it sends.

A program for ``namespace.enter``. Its arguments are an empty folder and the URL of a migrated database, and ``briefly``
if an idle start and one transmission are enough. The License
Server is the reference one behind TLS, reached by name; the proxy passes on to it, and a receipt key is pinned then.
"""

import asyncio
import json
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.license_server.absolute_name import absolute_name
from telemetry_service.license_server.name_lookup import look_up
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import open_service
from telemetry_service.settings import load_settings
from tests.support import connect_proxy
from tests.support.actors import ADMIN
from tests.support.fault_server import FaultServer, Visit
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.namespace import NameServer, furnish
from tests.support.program import Program
from tests.support.running import UNUSED_TLS
from tests.support.wire import DNS, Packet, Wire, client_hello, opened, questions, streams

VENDOR, PROXY, LISTED = "telemetry.vendor.example", "proxy.corp.example", "listed.example"
IDLE_SECONDS, BRIEFLY = 16, 6
"""Three wakings and delivery rounds, and a heartbeat; or one of each."""


class Stage:
    """The License Server, the proxy and the wire between them and the service."""

    def __init__(self, folder: Path, things: ExitStack) -> None:
        self.folder = folder
        self.wire = Wire()
        license_server = things.enter_context(LicenseServer(folder / "license-server", SystemClock()))
        self.vendor, self.public_key = license_server.server, license_server.public_key
        self.client_certificates: list[bytes | None] = []
        self._ask_for_client_certificates()
        self._services: set[int | None] = set()
        self.proxy = things.enter_context(connect_proxy.proxy(folder / "proxy", connect_proxy.tunnel_home))
        things.enter_context(NameServer({VENDOR, PROXY}))

    def _ask_for_client_certificates(self) -> None:
        context, serve = self.vendor.certificates.good, self.vendor.mode
        self.vendor.certificates.authority.issue_cert(VENDOR).configure_cert(context)
        context.load_verify_locations(self.vendor.ca_pem_path)
        context.verify_mode = ssl.CERT_OPTIONAL

        def noting(visit: Visit) -> None:
            serve(visit)
            assert isinstance(visit.socket, ssl.SSLSocket)
            self.client_certificates.append(visit.socket.getpeercert(binary_form=True))

        self.vendor.mode = noting

    def sent(self, service: httpx.Client) -> dict[str, Any]:
        """Return what was sent since the last call, without what this process and the service say to each other."""
        self._services.add(service.base_url.port)
        packets = [p for p in self.wire.drain() if self._services.isdisjoint({p.source[1], p.target[1]})]
        return {
            "packets": len(packets),
            "elsewhere": [str(packet.target) for packet in packets if not self._known(packet)],
            "questions": questions(packets),
            "opened": [self._name(target) for target in opened(packets)],
            "handshakes": [asdict(client_hello(stream)) for stream in streams(packets, self.vendor.port)],
            "requests": _heads(self.vendor),
            "requests to the proxy": _heads(self.proxy),
            "client certificates": sum(map(bool, self.client_certificates)),
        }

    def _known(self, packet: Packet) -> bool:
        """Whether it is to or from the name server, the License Server or the proxy."""
        known = {("127.0.0.1", port) for port in (DNS, self.vendor.port, self.proxy.port)}
        return not known.isdisjoint({packet.source, packet.target})

    def _name(self, target: tuple[str, int]) -> str:
        known = {("127.0.0.1", self.vendor.port): "License Server", ("127.0.0.1", self.proxy.port): "proxy"}
        return known.get(target, str(target))


def _heads(server: FaultServer) -> list[str]:
    heads = [request.head for request in server.requests]
    server.requests.clear()
    return heads


class Deployment:
    """One installation, whose service is started in several ways."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.environment = {
            "ENCRYPTION_KEY": generate_key(),
            "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
            "TELEMETRY_DATABASE_URL": sys.argv[2],
            "TELEMETRY_LICENSE_SERVER_URL": f"https://{VENDOR}:{stage.vendor.port}/base",
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(stage.vendor.ca_pem_path),
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
        }
        service = open_service(load_settings(self.environment))
        set_api_key(service.runtime, API_KEY, ADMIN)
        self._token = service.authentication.tokens.create("test", [Scope.ADMIN], ADMIN).token
        service.runtime.database.close()

    @contextmanager
    def running(self, settings: Mapping[str, str]) -> Iterator[httpx.Client]:
        """Run the service, and give a client of its API."""
        with Program(
            "serve", "--port", "0", folder=self._stage.folder, environment={**self.environment, **settings}
        ) as program:
            headers = {"Authorization": f"Bearer {self._token}"}
            address = f"{program.wait_for_url()}/api/v1/telemetry/"
            with httpx.Client(
                base_url=address, headers=headers, trust_env=False, timeout=60, verify=UNUSED_TLS
            ) as client:
                yield client


def send(service: httpx.Client) -> None:
    sent = service.post("send-now", headers={"Idempotency-Key": str(time.monotonic_ns())})
    assert sent.json()["status"] == "success", sent.text


def check_connection(service: httpx.Client) -> None:
    assert service.post("test-connection").json()["ok"]


def stop_encrypting(service: httpx.Client) -> None:
    present = service.get("config")
    names = ("enabled", "frequency", "anonymize_pii", "retention_days")
    values = {name: present.json()[name] for name in names} | {"encrypt_payload": False}
    saved = service.put("config", json=values, headers={"If-Match": present.headers["ETag"]})
    assert saved.status_code == 200, saved.text


def start_and_send(stage: Stage, service: httpx.Client, seconds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is sent by a service that was just started, and by its first transmission."""
    time.sleep(seconds)
    yield "idle", stage.sent(service)
    send(service)
    yield "transmission", stage.sent(service)


def briefly(stage: Stage) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield only that."""
    with Deployment(stage).running({}) as service:
        yield from start_and_send(stage, service, BRIEFLY)


def everything(stage: Stage) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is sent on each occasion."""
    deployment = Deployment(stage)
    with deployment.running({}) as service:
        yield from start_and_send(stage, service, IDLE_SECONDS)
        check_connection(service)
        yield "connection test", stage.sent(service)
        stop_encrypting(service)
        send(service)
        yield "transmission, not encrypted", stage.sent(service)
    settings = {
        "TELEMETRY_PROXY_URL": f"http://user:password@{PROXY}:{stage.proxy.port}",
        "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": stage.public_key,
    }
    with deployment.running(settings) as service:
        send(service)
        yield "transmission through a proxy", stage.sent(service)
        check_connection(service)
        yield "connection test through a proxy", stage.sent(service)


def lookups(wire: Wire) -> dict[str, list[tuple[str, str]]]:
    """Return what name servers are asked for a name: one in the hosts file, and two that are not."""
    found = {}
    for name in (LISTED, VENDOR):
        asyncio.run(look_up(absolute_name(name), 443))
        found[name] = questions(wire.drain())
    socket.getaddrinfo(VENDOR, 443)
    return {**found, "without its final dot": questions(wire.drain())}


def sees_everything(wire: Wire) -> bool:
    """Whether a datagram to another machine is seen, and so would be one of the service's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"canary", ("203.0.113.9", 9))
    return [packet.target for packet in wire.drain()] == [("203.0.113.9", 9)]


def main() -> None:
    folder = Path(sys.argv[1])
    furnish(folder)
    with ExitStack() as things:
        stage = Stage(folder, things)
        captured: dict[str, Any] = {"sees everything": sees_everything(stage.wire), "lookups": lookups(stage.wire)}
        captured |= briefly(stage) if "briefly" in sys.argv else everything(stage)
    sys.stdout.write(json.dumps(captured))


if __name__ == "__main__":
    main()
