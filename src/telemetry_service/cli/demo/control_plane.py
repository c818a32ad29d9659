"""The demo's stand-in for the other services of the Control Plane. It uses only the public REST API."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

_API = "/api/v1"
_TIMEOUT_SECONDS = 60


class CallFailedError(Exception):
    """The service refused a call of the demo, or did not respond."""


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a call."""

    etag: str | None
    content: Any
    """JSON; None if there is none."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Calls the API of the service at ``url`` with a service token."""

    url: str
    token: str = field(repr=False)

    def call(self, method: str, path: str, content: object = None, if_match: str | None = None) -> Response:
        """Make a call and return its response.

        Raises:
            CallFailedError: it was refused, or there was no response.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        if if_match is not None:
            headers["If-Match"] = if_match
        body = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(content)
        try:
            return self._exchange(method, path, body, headers)
        except (OSError, HTTPException):
            message = f"{method} {path} got no response"
            raise CallFailedError(message) from None

    def _exchange(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Response:
        address = urlsplit(self.url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, _API + path, body, headers)
            response = connection.getresponse()
            read = response.read()
        finally:
            connection.close()
        if response.status >= HTTPStatus.BAD_REQUEST:
            message = f"{method} {path} returned {response.status}"
            raise CallFailedError(message)
        return Response(response.headers.get("ETag"), json.loads(read) if read else None)
