"""The progress of an exchange: the steps of a connection test, each with its time."""

import time
from collections.abc import Mapping
from typing import Any

from telemetry_service.domain.connection_check import OnStep, Step, StepName, ignore_step
from telemetry_service.license_server.tls import CERTIFICATE_CAUSES


class Steps:
    """The steps that one exchange has reached."""

    def __init__(self, on_step: OnStep = ignore_step, *, proxied: bool) -> None:
        """Call ``on_step`` with each step as it begins."""
        self._on_step = on_step
        self._proxied = proxied
        self._reached: dict[StepName, float] = {}
        self._tls_version: str | None = None

    @property
    def at_proxy(self) -> bool:
        """Whether the exchange has reached only the proxy, and not yet the License Server behind it."""
        return self._proxied and StepName.TLS not in self._reached

    def reach(self, step: StepName) -> None:
        """Begin a step; the one before it has succeeded."""
        self._reached[step] = time.monotonic()
        self._on_step(step)

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the handshake with the License Server, but not one with a proxy. httpcore calls this.

        The certificate is verified during the handshake, but is a separate step here.
        """
        match event.removeprefix("proxy." if self._proxied else "connection."):
            case "start_tls.started":
                self.reach(StepName.TLS)
            case "start_tls.complete":
                self._tls_version = info["return_value"].get_extra_info("ssl_object").version()
                self.reach(StepName.CERTIFICATE)
                self.reach(StepName.RESPONSE)
            case "start_tls.failed" if getattr(info["exception"], "cause", None) in CERTIFICATE_CAUSES:
                self.reach(StepName.CERTIFICATE)

    def report(self, *, ok: bool) -> tuple[Step, ...]:
        """Return all steps in their order; the last one reached succeeded if ``ok``."""
        ends = [*list(self._reached.values())[1:], time.monotonic()]
        tried = dict(zip(self._reached, ends, strict=True))
        last = list(self._reached)[-1]
        return tuple(
            self._tried(name, ends=tried[name], ok=ok or name is not last) if name in tried else Step(name, None, None)
            for name in StepName
        )

    def _tried(self, name: StepName, *, ends: float, ok: bool) -> Step:
        detail = self._tls_version if name is StepName.TLS else None
        return Step(name, ok, round((ends - self._reached[name]) * 1000), detail)
