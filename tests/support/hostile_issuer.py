"""An OpenID provider that the test holds the keys of: it says whatever the test wants, over TLS on the loopback."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import trustme
from joserfc.jwk import ECKey, Key

from tests.support.issuer import ROLES, ec_key, public_set, sign

CLIENT_ID = "telemetry"
Form = dict[str, str]


class HostileIssuer:
    """Use it as a context manager. What ``answers`` has for a path is sent instead of the usual."""

    def __init__(self, folder: Path) -> None:
        """Prepare its keys and its certificate."""
        authority = trustme.CA()
        self.ca_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.key: ECKey = ec_key("first")
        self.published: tuple[Key, ...] = (self.key,)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.id_token: Callable[[], str] = lambda: ""
        self.forms: list[Form] = []
        self.asked: list[str] = []
        self.before: Callable[[str, Form], None] = lambda _path, _form: None
        """Runs before each response to a path and a form: one that takes long is a provider that hangs."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def issuer(self) -> str:
        """Its name, which is its address."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a service that takes it for its provider, but for its public URL."""
        return {
            "TELEMETRY_OIDC_ISSUER": self.issuer,
            "TELEMETRY_OIDC_CLIENT_ID": CLIENT_ID,
            "TELEMETRY_OIDC_ADMIN_ROLES": ROLES["administrator"],
            "TELEMETRY_IDENTITY_CA_FILE": str(self.ca_file),
        }

    def claims(self, now: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - members of JSON
        """Return what an ID token says; a change to None leaves a claim out."""
        who = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "4711", "name": "Ada", "roles": [ROLES["administrator"]]}
        usual = {**who, "iat": now, "exp": now + 300, "auth_time": now, "sid": "s1"}
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:  # noqa: ANN401 - members of JSON
        """Sign with its own key."""
        return sign(self.key, claims, **header)

    def document(self, path: str, form: Form) -> tuple[int, bytes]:
        """Return what is sent for a path and a form."""
        self.asked.append(path)
        self.before(path, form)
        if path in self.answers:
            return self.answers[path]
        documents: dict[str, Callable[[], bytes]] = {
            "/.well-known/openid-configuration": lambda: json.dumps(self.metadata()).encode(),
            "/jwks": lambda: public_set(*self.published),
            "/token": lambda: json.dumps({"id_token": self.id_token(), "token_type": "Bearer"}).encode(),
        }
        return (200, documents[path]()) if path in documents else (404, b"{}")

    def metadata(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - members of JSON
        """Return what it says about itself."""
        own = self.issuer
        addresses = {"authorization_endpoint": f"{own}/auth", "token_endpoint": f"{own}/token"}
        return {"issuer": own, **addresses, "jwks_uri": f"{own}/jwks", **changes}


def _handler(issuer: HostileIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            issuer.forms.append(form)
            self._send(form)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _send(self, form: Form) -> None:
            status, body = issuer.document(self.path, form)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
