"""A real OpenID provider, npm's certified ``oidc-provider``, in a process of its own, over TLS on the loopback."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import httpx
import trustme

from tests.support.issuer import ROLES, rsa_key
from tests.support.programs import needs

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".venv" / "node" / "package.json"
SCRIPT = ROOT / "tests" / "support" / "provider.mjs"
CLIENT_ID, CLIENT_SECRET = "telemetry", "a-secret-with-%25-:-+and-=&"
PEOPLE = {
    "ada": {"name": "Ada Lovelace", "roles": ["staff", ROLES["administrator"]]},
    "vera": {"name": "Vera Rubin", "roles": [ROLES["viewer"]]},
    "otto": {"name": "Otto Ohnerolle", "roles": ["staff"]},
}
NEEDS_PROVIDER = needs(
    shutil.which("node") and (MODULES.parent / "node_modules" / "oidc-provider").exists(),
    "Node and npm's oidc-provider are not installed (make test installs it if there is Node)",
)
_FORM = re.compile(r'<form[^>]*action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]+)"')
_MOST_STEPS = 12


class OpenIdProviderProcess:
    """Use it as a context manager. It knows one client: the service at ``public_url``."""

    def __init__(self, folder: Path, public_url: str) -> None:
        """Prepare its certificate and its configuration."""
        authority = trustme.CA()
        self.ca_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = folder / "certificate.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        self._configuration = {
            "modules": str(MODULES),
            "certificate": str(certificate),
            "people": PEOPLE,
            "jwks": {"keys": [rsa_key("of the provider").as_dict(private=True, use="sig", alg="RS256")]},
            "client": _client(public_url),
        }

    def __enter__(self) -> Self:
        node = shutil.which("node")
        assert node is not None
        self._process = subprocess.Popen(
            [node, str(SCRIPT), json.dumps(self._configuration)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("https://"), "the provider did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def hang(self) -> None:
        """Let it accept connections and say nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a service that this provider logs people in to, but for its public URL."""
        return {
            "TELEMETRY_OIDC_ISSUER": self.issuer,
            "TELEMETRY_OIDC_CLIENT_ID": CLIENT_ID,
            "TELEMETRY_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "TELEMETRY_OIDC_ADMIN_ROLES": ROLES["administrator"],
            "TELEMETRY_OIDC_VIEWER_ROLES": ROLES["viewer"],
            "TELEMETRY_IDENTITY_CA_FILE": str(self.ca_file),
        }


def follow(browser: httpx.Client, address: str, person: str, stop: str = "\0") -> httpx.Response:
    """Follow redirects and fill in the provider's forms, as a person; stop before an address that contains ``stop``."""
    response = browser.get(address)
    for _ in range(_MOST_STEPS):
        if "location" in response.headers:
            target = urljoin(str(response.url), response.headers["location"])
            if stop in target:
                return response
            response = browser.get(target)
        elif response.url.scheme == "https" and (form := _FORM.search(response.text)) is not None:
            fields = {**dict(_HIDDEN.findall(response.text)), "login": person, "password": "x", "logout": "yes"}
            response = browser.post(urljoin(str(response.url), form[1]), data=fields)
        else:
            return response
    message = "the provider leads in a circle"
    raise AssertionError(message)


def _client(public_url: str) -> dict[str, Any]:
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{public_url}/login/provider/return"],
        "post_logout_redirect_uris": [f"{public_url}/login"],
        "backchannel_logout_uri": f"{public_url}/login/provider/logout",
        "backchannel_logout_session_required": True,
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    }
