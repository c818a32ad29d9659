"""The ASGI application: the protocol's two paths, and the control interface if it is enabled."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from telemetry_service.domain.payload_schemas.published import published
from telemetry_service.reference.alteration import altered, with_changes
from telemetry_service.reference.authentication import ledger_of
from telemetry_service.reference.body import read_body
from telemetry_service.reference.control import Control
from telemetry_service.reference.date_header import Dated
from telemetry_service.reference.fault_injection import strike
from telemetry_service.reference.faults import Alteration, AlteredKind, Faults, FaultSwitch
from telemetry_service.reference.intake import MAX_BUNDLE_BYTES, Taken, take_bundle
from telemetry_service.reference.offset_clock import OffsetClock
from telemetry_service.reference.options import ReferenceOptions
from telemetry_service.reference.receipts import Receipt, ReceiptSigner
from telemetry_service.reference.receiver import Acceptance, Receiver
from telemetry_service.reference.refusals import Reason, RefusalError, problem
from telemetry_service.reference.store import Store

_OTHER_PAYLOAD = "0" * 64


def create_app(options: ReferenceOptions, store: Store, signer: ReceiptSigner) -> Starlette:
    """Return the application of a License Server with these ``options``.

    Raises:
        OSError: the folder of schemas cannot be read.
        ValueError: the folder of schemas contains a file that is not the schema that its name says.
    """
    for grant in options.grants:
        store.add_key(grant.api_key, grant.customer_id)
    switch = FaultSwitch()
    clock = OffsetClock()
    schemas = published() if options.schema_folder is None else published().with_folder(options.schema_folder)
    receiver = Receiver(store, require_encryption=options.require_encryption, clock=clock, schemas=schemas)
    protocol = Protocol(options, receiver, signer, switch)
    routes = [
        Route("/v1/telemetry", protocol.telemetry, methods=["POST"]),
        Route("/v1/telemetry/ping", protocol.ping, methods=["POST"]),
        Route("/v1/telemetry/bundles", protocol.bundle, methods=["POST"]),
    ]
    if options.control_token is not None:
        routes += Control(store, switch, clock, options.control_token).routes()
    return Starlette(
        routes=routes,
        exception_handlers={
            RefusalError: protocol.refused,
            HTTPException: _no_such_address,
            ClientDisconnect: _disconnected,
            sqlite3.Error: _store_unavailable,
            Exception: _broken,
        },
        middleware=[Middleware(Dated, clock=clock)],
    )


class Protocol:
    """The endpoints of the wire protocol."""

    def __init__(
        self, options: ReferenceOptions, receiver: Receiver, signer: ReceiptSigner, switch: FaultSwitch
    ) -> None:
        """Respond to what ``receiver`` accepts, with receipts of ``signer``, unless ``switch`` has a fault."""
        self._licenses = options.licenses
        self._receiver = receiver
        self._signer = signer
        self._switch = switch

    async def telemetry(self, request: Request) -> Response:
        """Receive a transmission."""
        faults = self._switch.take(ping=False)
        try:
            return await self._received(request, faults)
        except RefusalError as refusal:
            if refusal.reason in faults.tolerated:
                return JSONResponse(_pretended(request))
            raise

    async def _received(self, request: Request, faults: Faults) -> Response:
        body = await read_body(request)
        _refuse_listed(request, faults)
        ledger = ledger_of(request.headers)
        if not faults.after_storing and (instead := await strike(faults.failure, request)):
            return instead
        acceptance = await run_in_threadpool(self._receiver.receive, request.headers, body)
        if faults.after_storing and (instead := await strike(faults.failure, request)):
            return instead
        if faults.shared_ids:
            await run_in_threadpool(self._receiver.refuse_id_of_another, acceptance.entry)
        kind: AlteredKind = "duplicate" if acceptance.duplicate else "accepted"
        return altered(self._body(acceptance, faults, ledger), faults.altered.get(kind))

    async def ping(self, request: Request) -> Response:
        """Receive a connection test."""
        faults = self._switch.take(ping=True)
        body = await read_body(request)
        if instead := await strike(faults.failure, request):
            return instead
        try:
            await run_in_threadpool(self._receiver.ping, request.headers, body)
        except RefusalError as refusal:
            if refusal.reason not in faults.tolerated:
                raise
        return altered({"status": "ok"}, faults.altered.get("pong"))

    async def refused(self, _request: Request, error: Exception) -> Response:
        """Return the problem of a refusal."""
        if not isinstance(error, RefusalError):
            raise error
        members = dict(error.members)
        status = members.pop("status", None)
        response = problem(error.reason, status=status if isinstance(status, int) else None, members=members)
        return altered(json.loads(bytes(response.body)), self._switch.faults.altered.get("problem"), response)

    async def bundle(self, request: Request) -> Response:
        """Receive a bundle, and respond with the file of its receipts. The person who carries it needs no API key."""
        faults = self._switch.take(ping=False)
        bundle = await read_body(request, MAX_BUNDLE_BYTES)
        if instead := await strike(faults.failure, request):
            return instead
        wrong = faults.altered.get("bundle")
        signer = ReceiptSigner(Ed25519PrivateKey.generate()) if faults.receipt == "forged" else self._signer
        if wrong is not None:
            signer = signer.altered(partial(with_changes, changes=wrong.claims))
        try:
            taken = await run_in_threadpool(take_bundle, bundle, self._receiver, signer, self._licenses)
        except RefusalError as refusal:
            if refusal.reason not in faults.tolerated:
                raise
            taken = Taken()
        return altered(json.loads(taken.content), wrong)

    def _body(self, acceptance: Acceptance, faults: Faults, ledger: str | None) -> dict[str, object]:
        entry = acceptance.entry
        body: dict[str, object] = {
            "transmission_id": str(entry.transmission_id),
            "status": "duplicate" if acceptance.duplicate else "accepted",
            "received_at": entry.received_at,
        }
        block = self._licenses.get(entry.customer_id)
        license_ = None if block is None else block.model_dump(mode="json")
        receipt = Receipt(entry.transmission_id, entry.payload_sha256, entry.received_at, license_, ledger)
        if token := self._receipt(receipt, faults):
            body["receipt"] = token
        if license_ is not None:
            body["license"] = license_
        return body

    def _receipt(self, receipt: Receipt, faults: Faults) -> str | None:
        match faults.receipt:
            case "valid":
                wrong = faults.altered.get("accepted") or Alteration()
                header = with_changes({"alg": "EdDSA"}, wrong.jws)
                return self._signer.sign_claims(with_changes(receipt.claims, wrong.claims), header)
            case "absent":
                return None
            case "forged":
                return ReceiptSigner(Ed25519PrivateKey.generate()).sign(receipt)
            case "other_payload":
                return self._signer.sign(replace(receipt, payload_sha256=_OTHER_PAYLOAD))


def _refuse_listed(request: Request, faults: Faults) -> None:
    try:
        status = faults.refused_ids.get(UUID(request.headers.get("X-Telemetry-Id", "")))
    except ValueError:
        return
    if status is not None:
        raise RefusalError(Reason.SWITCHED, status=status)


def _pretended(request: Request) -> dict[str, object]:
    """Return the response to a request that had to be refused."""
    received_at = f"{datetime.now(UTC).isoformat(timespec='milliseconds')}"
    return {
        "transmission_id": request.headers.get("X-Telemetry-Id"),
        "status": "accepted",
        "received_at": received_at,
    }


async def _no_such_address(_request: Request, error: Exception) -> Response:
    """Return our own response for an unknown path or method."""
    if not isinstance(error, HTTPException):
        raise error
    reason = Reason.METHOD_NOT_ALLOWED if error.status_code == 405 else Reason.NOT_FOUND  # noqa: PLR2004
    return problem(reason, headers=error.headers)


async def _disconnected(_request: Request, _error: Exception) -> Response:
    """Respond to no one: the client disconnected before it had sent everything."""
    return Response(status_code=204)


async def _store_unavailable(_request: Request, _error: Exception) -> Response:
    return problem(Reason.STORE_UNAVAILABLE)


async def _broken(_request: Request, _error: Exception) -> Response:
    return problem(Reason.INTERNAL)
