"""The control interface: faults, journal, API keys and the clock. Mounted only if there is a control token."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from telemetry_service.reference.body import read_body
from telemetry_service.reference.faults import Faults, FaultSwitch
from telemetry_service.reference.journal import JournalEntry
from telemetry_service.reference.offset_clock import TEN_YEARS_SECONDS, OffsetClock
from telemetry_service.reference.options import Grant
from telemetry_service.reference.refusals import Reason, RefusalError
from telemetry_service.reference.store import Store

Endpoint = Callable[[Request], Awaitable[Response]]
_Input = TypeVar("_Input", bound=BaseModel)


class Revocation(BaseModel):
    """The API key to revoke."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class ClockOffset(BaseModel):
    """How far to set the clock ahead of the machine's; negative for the past."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset_seconds: Annotated[float, Field(ge=-TEN_YEARS_SECONDS, le=TEN_YEARS_SECONDS)]


class Control:
    """The endpoints of the control interface."""

    def __init__(self, store: Store, switch: FaultSwitch, clock: OffsetClock, token: str) -> None:
        """Serve callers that know ``token``."""
        self._store = store
        self._switch = switch
        self._clock = clock
        self._token = token

    def routes(self) -> list[Route]:
        """Return the routes, which all require the token."""
        return [
            Route("/_control/faults", self._guarded(self._read_faults), methods=["GET"]),
            Route("/_control/faults", self._guarded(self._set_faults), methods=["PUT"]),
            Route("/_control/clock", self._guarded(self._set_clock), methods=["PUT"]),
            Route("/_control/journal", self._guarded(self._read_journal), methods=["GET"]),
            Route("/_control/keys", self._guarded(self._add_key), methods=["POST"]),
            Route("/_control/keys/revoke", self._guarded(self._revoke_key), methods=["POST"]),
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("Authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
                raise RefusalError(Reason.CONTROL_TOKEN_INVALID)
            return await endpoint(request)

        return guarded

    async def _read_faults(self, _request: Request) -> Response:
        return _json(self._switch.faults)

    async def _set_faults(self, request: Request) -> Response:
        self._switch.faults = await _read(Faults, request)
        return _json(self._switch.faults)

    async def _set_clock(self, request: Request) -> Response:
        self._clock.offset_seconds = (await _read(ClockOffset, request)).offset_seconds
        return Response(status_code=204)

    async def _read_journal(self, _request: Request) -> Response:
        entries = await run_in_threadpool(self._store.journal)
        return JSONResponse({"transmissions": [_shown(entry) for entry in entries]})

    async def _add_key(self, request: Request) -> Response:
        grant = await _read(Grant, request)
        try:
            key_id = await run_in_threadpool(self._store.add_key, grant.api_key, grant.customer_id, restore=True)
        except ValueError:
            raise RefusalError(Reason.CONTROL_INPUT_INVALID) from None
        return JSONResponse({"key_id": key_id}, status_code=201)

    async def _revoke_key(self, request: Request) -> Response:
        revocation = await _read(Revocation, request)
        if not await run_in_threadpool(self._store.revoke_key, revocation.key_id):
            raise RefusalError(Reason.NOT_FOUND)
        return Response(status_code=204)


async def _read(model: type[_Input], request: Request) -> _Input:
    try:
        return model.model_validate_json(await read_body(request))
    except ValidationError:
        raise RefusalError(Reason.CONTROL_INPUT_INVALID) from None


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _shown(entry: JournalEntry) -> dict[str, object]:
    return {
        "transmission_id": str(entry.transmission_id),
        "customer_id": entry.customer_id,
        "key_id": entry.key_id,
        "received_at": entry.received_at,
        "encrypted": entry.encrypted,
        "payload": entry.payload.decode(),
        "payload_sha256": entry.payload_sha256,
        "body_sha256": entry.body_sha256,
        "times_received": entry.times_received,
        "conflicts": entry.conflicts,
    }
