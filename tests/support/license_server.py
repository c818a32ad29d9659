"""The reference License Server inside the test's own process, on the test's clock: its rules, store and journal.

The wire is a real one: TLS on the loopback, served by the fault server. What goes wrong is a ``Trouble``, which can
strike before a transmission was read or after it was stored, and can be changed at any time.
"""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.datastructures import Headers

from telemetry_service.domain.clock import Clock
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.domain.payload_schemas.published import PublishedSchemas
from telemetry_service.reference.intake import Taken, take_bundle
from telemetry_service.reference.journal import JournalEntry
from telemetry_service.reference.receipts import Receipt, ReceiptSigner, load_signer
from telemetry_service.reference.receiver import Acceptance, Receiver
from telemetry_service.reference.refusals import PROBLEM_MEDIA_TYPE, Reason, RefusalError, problem
from telemetry_service.reference.store import Store
from tests.support.fault_server import FaultServer, ReceivedRequest, Visit
from tests.support.faults import response

CUSTOMER = "cus_Nq4Rz7WkX2"
API_KEY = "ck_test_6Jd0fLq2vBn8SxTz4WmY"

Strike = Callable[[Visit], None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong from now on: each visit of a transmission meets it, ``times`` of them or all."""

    before: Strike | None = None
    """Strikes once the request was read and before anything of it is stored."""
    after: Strike | None = None
    """Replaces the response, once the transmission is stored."""
    times: int | None = None


NO_TROUBLE = Trouble()


def reply(status: int, **headers: str) -> Strike:
    """Respond with ``status`` instead; headers are named with underscores."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda visit: visit.send(response(status, b"{}", named))


def refuse(reason: Reason) -> Strike:
    """Refuse with a problem document instead, whatever was sent."""
    refused = problem(reason, status=403)
    return lambda visit: visit.send(response(403, bytes(refused.body), [("Content-Type", PROBLEM_MEDIA_TYPE)]))


def show_page(status: int) -> Strike:
    """Respond as a portal or a firewall in between does: with a page, which names whatever it likes."""
    page = b'<html><p>"type":"urn:control-core:license-server:customer-mismatch"</p></html>'
    return lambda visit: visit.send(response(status, page, [("Content-Type", "text/html; charset=utf-8")]))


def reset(visit: Visit) -> None:
    """Break the connection instead of responding."""
    # The bytes below TLS are what is reset, so that no orderly goodbye is said.
    visit.reset()


def hang(visit: Visit) -> None:
    """Say nothing until the other side gives up."""
    visit.hang()


class LicenseServer:
    """Use it as a context manager. ``journal`` is the oracle: what was accepted, once for ever."""

    def __init__(self, folder: Path, clock: Clock, schemas: PublishedSchemas | None = None) -> None:
        """Keep everything in ``folder``, go by ``clock``, and accept payloads of ``schemas`` (the published ones)."""
        folder.mkdir(exist_ok=True)
        self.store = Store(folder / "license-server.sqlite3")
        self.store.add_key(API_KEY, CUSTOMER)
        self._signer: ReceiptSigner = load_signer(folder / "receipt-key.pem")
        self._receiver = Receiver(
            self.store, require_encryption=False, clock=lambda: clock.now().timestamp(), schemas=schemas
        )
        self._trouble = NO_TROUBLE
        self._lock = threading.Lock()
        self.server = FaultServer(folder, self._serve)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()
        self.store.close()

    @property
    def public_key(self) -> str:
        """The key to pin."""
        return self._signer.public_key

    def trouble(self, trouble: Trouble = NO_TROUBLE) -> None:
        """Let this go wrong from now on, or nothing."""
        with self._lock:
            self._trouble = trouble

    def journal(self) -> tuple[JournalEntry, ...]:
        """Return what was accepted, in the order of arrival."""
        return self.store.journal()

    def payloads(self) -> tuple[TelemetryAggregatePayload, ...]:
        """Return the accepted payloads, in the order of arrival."""
        return tuple(TelemetryAggregatePayload.model_validate_json(entry.payload) for entry in self.journal())

    def take(self, bundle: bytes) -> Taken:
        """Take in a bundle that was carried here; raises :class:`RefusalError`."""
        return take_bundle(bundle, self._receiver, self._signer)

    def sign_claims(self, claims: Mapping[str, object]) -> str:
        """Return a JWS with the key of receipts over anything."""
        return self._signer.sign_claims(claims)

    def _serve(self, visit: Visit) -> None:
        try:
            visit.secure()
        except ssl.SSLError:
            return
        request = visit.read_request()
        struck = NO_TROUBLE if request.path.endswith("/ping") else self._take()
        if struck.before is not None:
            struck.before(visit)
            return
        content = self._content(request)
        if struck.after is not None:
            struck.after(visit)
            return
        visit.send(content)

    def _take(self) -> Trouble:
        with self._lock:
            struck = self._trouble
            if struck.times is not None:
                left = struck.times - 1
                self._trouble = Trouble(struck.before, struck.after, left) if left else NO_TROUBLE
            return struck

    def _content(self, request: ReceivedRequest) -> bytes:
        headers = Headers(request.headers)
        try:
            if request.path.endswith("/ping"):
                self._receiver.ping(headers, request.body)
                return response(200, b'{"status":"ok"}')
            return response(200, self._acceptance(self._receiver.receive(headers, request.body)))
        except RefusalError as refusal:
            members = {name: value for name, value in refusal.members.items() if name != "status"}
            refused = problem(refusal.reason, status=None, members=members)
            named = [("Content-Type", PROBLEM_MEDIA_TYPE)]
            return response(refused.status_code, bytes(refused.body), named)

    def _acceptance(self, acceptance: Acceptance) -> bytes:
        entry = acceptance.entry
        receipt = Receipt(entry.transmission_id, entry.payload_sha256, entry.received_at)
        return json.dumps(
            {
                "transmission_id": str(entry.transmission_id),
                "status": "duplicate" if acceptance.duplicate else "accepted",
                "received_at": entry.received_at,
                "receipt": self._signer.sign(receipt),
            }
        ).encode()
