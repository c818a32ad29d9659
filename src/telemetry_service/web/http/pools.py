"""Separate threads for slow work, so that it never occupies those of other calls.

Pages, token checks and reads share the framework's 40 threads. An exchange with a License Server that hangs takes 20
seconds, and checking a password takes much memory and time on purpose: a few dozen of either would use up all threads.
Probes use no thread at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial, wraps
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.addresses import caller_group, caller_network
from telemetry_service.domain.clock import Clock
from telemetry_service.domain.errors import LoginThrottledError, TelemetryError
from telemetry_service.identity.accounts import Admitted
from telemetry_service.identity.throttle import session_source
from telemetry_service.log.write import log_exception
from telemetry_service.web.errors.request_errors import (
    ChecksBusyError,
    ExchangesBusyError,
    IssuersBusyError,
    LoginsBusyError,
)
from telemetry_service.web.http.addresses import caller_address
from telemetry_service.web.http.failed_lately import FailedLately
from telemetry_service.web.security.cookies import read_device_cookie

P = ParamSpec("P")
T = TypeVar("T")

_EXCHANGES = 16
"""At once, in one process. There is one administrator, and the schedule has its own threads."""

_STRANGERS, _STRANGERS_WAITING = 1, 16
_KNOWN, _KNOWN_WAITING = 1, 8
_OF_ONE, _EARLIER = 2, 4
_SPARED = 9
"""Threads that check passwords: each check takes 64 MiB and a hundred milliseconds. A browser that has logged in before
and an open session have their own, so they never wait for strangers. Addresses that have failed lately leave so many
places to those that have not. Browsers that were known under an earlier password have some places of the known ones."""

_NETWORK = 2
"""The addresses of one IPv6 network together have so many times the places of one."""
_NO_SHARES: Mapping[str, int] = MappingProxyType({})

_LEAVING, _LEAVING_WAITING = 2, 38
"""Only as long as nothing is known of the provider: all wait for one response."""

_RETURNING, _RETURNING_WAITING = 8, 32
_FAILED, _FAILED_WAITING = 4, 36
_ISSUERS_OF_ONE = 2
_FAILED_LASTS = timedelta(minutes=10)
"""An issuer that hangs is given up after five seconds. Meanwhile, one address must not keep others from it, nor must
many: those that came back lately without success have other threads."""

_LOG_OUTS, _LOG_OUTS_WAITING, _LOG_OUTS_OF_ONE = 2, 22, 6
"""All log-outs at a provider come from its own address, and several may come at once."""

_GATEWAY, _GATEWAY_WAITING, GATEWAY_OF_ONE = 4, 16, 8
"""A page makes several requests at once, and the gateway's address may stand for all people."""

_CHECKS, _CHECKS_WAITING, _CHECKS_OF_ONE = 1, 3, 1
"""A check of a ledger with 100,000 entries takes half a minute of one core. One person, or one token, has one place."""


class BoundedPool:
    """Runs blocking work in a limited number of threads; belongs to one event loop."""

    def __init__(self, threads: int, refusal: type[TelemetryError], waiting: int = 0) -> None:
        """Raise ``refusal`` for work beyond what ``threads`` run and ``waiting`` allows to wait."""
        self._most = threads + waiting
        self._refusal = refusal
        self._limiter = CapacityLimiter(threads)
        self._under_way: dict[asyncio.Task[Any], Mapping[str, int]] = {}

    def begin(self, work: Callable[[], T], shares: Mapping[str, int] = _NO_SHARES, spared: int = 0) -> asyncio.Task[T]:
        """Start ``work``, which continues even if its caller stops waiting; ``spared`` places are left to others.

        Args:
            work: what takes time.
            shares: what the caller is one of, and how many places all of those have together.
            spared: the places that are left to others.

        Raises:
            TelemetryError: the refusal, at once, if there is no place for it.
        """
        full = any(self._taken(name) >= share for name, share in shares.items())
        if full or len(self._under_way) >= self._most - spared:
            raise self._refusal
        task = asyncio.create_task(run_sync(work, limiter=self._limiter))
        self._under_way[task] = shares
        task.add_done_callback(self._under_way.pop)
        return task

    def _taken(self, name: str) -> int:
        return sum(name in shares for shares in self._under_way.values())


def leave(task: asyncio.Task[Any], request: Context) -> None:
    """Let an abandoned ``task`` end on its own; if it fails, the error is logged."""
    task.add_done_callback(_log_error, context=request)


def _log_error(task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, TelemetryError):
        log_exception(error, "abandoned-call")


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of one process."""

    exchanges: BoundedPool = field(default_factory=lambda: BoundedPool(_EXCHANGES, ExchangesBusyError))
    strangers: BoundedPool = field(default_factory=lambda: BoundedPool(_STRANGERS, LoginsBusyError, _STRANGERS_WAITING))
    known: BoundedPool = field(default_factory=lambda: BoundedPool(_KNOWN, LoginsBusyError, _KNOWN_WAITING))
    leaving: BoundedPool = field(default_factory=lambda: BoundedPool(_LEAVING, IssuersBusyError, _LEAVING_WAITING))
    returning: BoundedPool = field(
        default_factory=lambda: BoundedPool(_RETURNING, IssuersBusyError, _RETURNING_WAITING)
    )
    failed: BoundedPool = field(default_factory=lambda: BoundedPool(_FAILED, IssuersBusyError, _FAILED_WAITING))
    have_failed: FailedLately = field(default_factory=lambda: FailedLately(_FAILED_LASTS))
    """Addresses whose last login at the provider did not succeed."""
    log_outs: BoundedPool = field(default_factory=lambda: BoundedPool(_LOG_OUTS, IssuersBusyError, _LOG_OUTS_WAITING))
    gateway: BoundedPool = field(default_factory=lambda: BoundedPool(_GATEWAY, IssuersBusyError, _GATEWAY_WAITING))
    checks: BoundedPool = field(default_factory=lambda: BoundedPool(_CHECKS, ChecksBusyError, _CHECKS_WAITING))


def waits_for_license_server(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a route that makes exchanges with the License Server in their pool."""
    return _in_pool(endpoint, lambda pools: pools.exchanges)


def checks_password(needed: Callable[..., bool]) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    """Run a route in the pool of those who are known, if the password of its session is checked.

    One session has only some of the places. What checks none costs no more than a read, and takes none.
    """

    def decorate(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        @wraps(endpoint)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            given: Any = kwargs
            visit, work = given["visit"], partial(endpoint, *args, **kwargs)
            if not needed(**given):
                return await run_in_threadpool(work)
            pools: Pools = visit.context.pools
            return await pools.known.begin(work, {session_source(visit.login.session_id).key: _OF_ONE})

        return run

    return decorate


def logs_in(refused: Callable[..., T]) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    """Run the login in the pool of the browsers that have logged in before, or in that of strangers.

    One address, and one such browser, has only some of the places. One that is blocked takes none, and costs no more
    than a read: ``refused`` responds to it.
    """

    def decorate(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        @wraps(endpoint)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            given: Any = kwargs
            request, context = given["request"], given["context"]
            try:
                admitted = await run_in_threadpool(_admit, request, context, given["caller"])
            except LoginThrottledError as refusal:
                return await run_in_threadpool(refused, request, context, given["next"], refusal, given["name"])
            return await _begin_login(context.pools, admitted, partial(endpoint, *args, **kwargs))

        return run

    return decorate


def _admit(request: Request, context: Any, caller: Actor) -> Admitted:  # noqa: ANN401 - its module needs this one
    authentication = context.authentication
    admitted: Admitted = authentication.accounts.admit(authentication.devices.read(read_device_cookie(request)), caller)
    return admitted


def _begin_login(pools: Pools, admitted: Admitted, work: Callable[[], T]) -> asyncio.Task[T]:
    source = admitted.source
    shares = {source.key: _OF_ONE}
    if source.was_known:
        shares["earlier"] = _EARLIER
    if source.network is not None:
        shares[source.network] = _NETWORK * _OF_ONE
    if source.known or source.was_known:
        return pools.known.begin(work, shares)
    return pools.strangers.begin(work, shares, _SPARED if admitted.failures else 0)


def leaves_for_issuer(known: Callable[..., bool]) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    """Run a route that leads to the provider in its pool, unless it is ``known`` where that is."""
    return _unless(known, lambda pools: pools.leaving, _ISSUERS_OF_ONE)


def returns_from_issuer(endpoint: Callable[P, Response]) -> Callable[P, Awaitable[Response]]:
    """Run the route that redeems a code of the provider. Addresses that have failed wait only for each other."""

    @wraps(endpoint)
    async def run(*args: P.args, **kwargs: P.kwargs) -> Response:
        given: Any = kwargs
        pools: Pools = given["context"].pools
        clock: Clock = given["context"].runtime.clock
        request = given["request"]
        pool = pools.failed if pools.have_failed.has(_address_of(request), clock.now()) else pools.returning
        task = pool.begin(partial(endpoint, *args, **kwargs), shares_of(request, _ISSUERS_OF_ONE))
        task.add_done_callback(
            lambda ended: pools.have_failed.note(_address_of(request), clock.now(), failed=_has_failed(ended))
        )
        return await task

    return run


def _has_failed(ended: asyncio.Task[Response]) -> bool:
    if ended.cancelled() or ended.exception() is not None:
        return True
    return ended.result().status_code >= HTTPStatus.BAD_REQUEST


def _address_of(request: Request) -> str:
    return caller_address(request.scope) or ""


def shares_of(request: Request, of_one: int) -> Mapping[str, int]:
    """Return how many places the caller of a request has, and how many its network."""
    group, network = caller_group(_address_of(request)), caller_network(_address_of(request))
    return {network: _NETWORK * of_one, group: of_one}


def hears_of_log_outs(at_hand: Callable[..., bool]) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    """Run the route that a provider calls itself, which no login keeps from its turn."""
    return _unless(at_hand, lambda pools: pools.log_outs, _LOG_OUTS_OF_ONE)


def _unless(
    at_hand: Callable[..., bool], pool_of: Callable[[Pools], BoundedPool], of_one: int
) -> Callable[[Callable[P, T]], Callable[P, Awaitable[T]]]:
    def decorate(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        @wraps(endpoint)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            given: Any = kwargs
            work = partial(endpoint, *args, **kwargs)
            if at_hand(**given):
                return await run_in_threadpool(work)
            return await pool_of(given["context"].pools).begin(work, shares_of(given["request"], of_one))

        return run

    return decorate


def checks_ledger(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Run a route that checks the whole ledger in its pool. A person who asks again meanwhile takes no second place."""

    @wraps(endpoint)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        given: Any = kwargs
        visit = given.get("visit")
        actor: Actor = visit.actor if visit is not None else given["caller"].actor
        pools: Pools = (given["context"] if visit is None else visit.context).pools
        return await pools.checks.begin(
            partial(endpoint, *args, **kwargs), {f"{actor.kind} {actor.id}": _CHECKS_OF_ONE}
        )

    return run


def _in_pool(endpoint: Callable[P, T], pool_of: Callable[[Pools], BoundedPool]) -> Callable[P, Awaitable[T]]:
    @wraps(endpoint)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        given: Any = kwargs  # The framework passes each parameter by name; the tab's visit has the context.
        context = given["visit"].context if "visit" in given else given["context"]
        pools: Pools = context.pools
        return await pool_of(pools).begin(partial(endpoint, *args, **kwargs))

    return run
