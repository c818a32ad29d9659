"""The connections of one exchange: httpcore's own over anyio, with what those lack.

The name lookup is a separate step, each address gets its share of the time, and received bytes are counted. Timeouts
are not passed on: the deadline of the exchange cancels whatever is still running.
"""

import ssl

import anyio
import httpcore

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.connection_check import StepName
from telemetry_service.license_server import tls
from telemetry_service.license_server.absolute_name import absolute_name
from telemetry_service.license_server.exchange_error import ExchangeError
from telemetry_service.license_server.name_lookup import look_up
from telemetry_service.license_server.steps import Steps


class Network(httpcore.AsyncNetworkBackend):
    """Connects to the License Server, or to its proxy."""

    def __init__(self, steps: Steps, most_bytes: int, *, any_name: bool) -> None:
        """Serve one exchange, which may receive at most ``most_bytes``; ``any_name`` is looked up as it is."""
        self._tcp = httpcore.AnyIOBackend()
        self._steps = steps
        self._bytes_left = most_bytes
        self._any_name = any_name
        self._connection: httpcore.AsyncNetworkStream | None = None
        self.cut_off = False
        """Whether the other side has closed its half of the connection."""

    async def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of ``host`` that accepts.

        Raises:
            ExchangeError: the name is unknown, or no address accepts.
        """
        self._steps.reach(StepName.NAME)
        addresses = await look_up(self._name(host.strip("[]")), port)
        self._steps.reach(StepName.TCP)
        self._connection = await self._dial(addresses, port)
        return _CountedStream(self._connection, self)

    def _name(self, host: str) -> str:
        # A proxy or an issuer belongs to the customer's network, whose search domains may complete its name.
        return host if self._any_name else absolute_name(host)

    async def _dial(self, addresses: list[str], port: int) -> httpcore.AsyncNetworkStream:
        cause = Cause.CONNECTION_FAILED
        for position, address in enumerate(addresses):
            # An address that never responds must leave time for the others.
            left = anyio.current_effective_deadline() - anyio.current_time()
            try:
                return await self._tcp.connect_tcp(address, port, timeout=left / (len(addresses) - position))
            except httpcore.ConnectTimeout:
                cause = Cause.DEADLINE_EXCEEDED
            except httpcore.ConnectError as error:
                cause = _cause_of(error)
        raise ExchangeError(cause)

    def count(self, received: bytes) -> bytes:
        """Return the received bytes, as long as the total is within the limit.

        Raises:
            ExchangeError: it is more than a License Server sends.
        """
        self._bytes_left -= len(received)
        self.cut_off = not received
        if self._bytes_left < 0:
            raise ExchangeError(Cause.RESPONSE_TOO_LARGE)
        return received

    async def aclose(self) -> None:
        """Close the connection: httpcore leaves it open if it is canceled during the handshake."""
        if self._connection is not None:
            await self._connection.aclose()


class _CountedStream(httpcore.AsyncNetworkStream):
    """A stream of httpcore's that counts what it reads."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, network: Network) -> None:
        self._stream = stream
        self._network = network

    async def read(self, max_bytes: int, *_: object, **__: object) -> bytes:
        return self._network.count(await self._stream.read(max_bytes))

    async def write(self, buffer: bytes, *_: object, **__: object) -> None:
        await self._stream.write(buffer)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        try:
            secured = await self._stream.start_tls(ssl_context, tls.certified_name(server_hostname))
        except httpcore.ConnectError as error:
            raise ExchangeError(tls.cause_of(error.__cause__)) from None
        except ValueError:  # A name that no certificate can have; only a proxy would have resolved it.
            raise ExchangeError(Cause.TLS_FAILED) from None
        return _CountedStream(secured, self._network)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _cause_of(error: httpcore.ConnectError) -> Cause:
    """Return what the operating system reported, which is two errors below httpcore's."""
    match error.__cause__ and error.__cause__.__cause__:
        case ConnectionRefusedError():
            return Cause.CONNECTION_REFUSED
        case ConnectionResetError():  # The connection broke before this side noticed that it was open.
            return Cause.CONNECTION_LOST
        case _:
            return Cause.CONNECTION_FAILED
