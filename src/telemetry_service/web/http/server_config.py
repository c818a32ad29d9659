"""uvicorn's configuration, with what it has no setting for: who is counted and who is believed."""

from typing import Any

import uvicorn

from telemetry_service.web.http.addresses import TrustedProxies
from telemetry_service.web.http.connection_limits import ConnectionCounter, ConnectionLimits
from telemetry_service.web.http.forwarded import ForwardedRequests
from telemetry_service.web.http.request_target import AbsoluteTargets
from telemetry_service.web.http.turns import Turns


class ServerConfig(uvicorn.Config):
    """The configuration of one server."""

    def __init__(self, app: Any, *, limits: ConnectionLimits, proxies: TrustedProxies, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Serve ``app`` within ``limits``; ``options`` are uvicorn's."""
        self.counter = ConnectionCounter(limits, proxies)
        # Whatever is refused is refused to the caller, not to the proxy that handed it on.
        self.turns = Turns(ForwardedRequests(AbsoluteTargets(app), proxies, self.counter))
        super().__init__(self.turns, **options)
