"""What a deployment's public URL decides: cookies, HSTS, and whose forms are its own (finding S5)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import RunDatabases
from tests.support.running import PASSWORD, Running

LOGIN = {"name": "admin", "password": PASSWORD}
SAVE = "/settings/general/telemetry/appearance"


def _service(database_url: str, public_url: str) -> Running:
    return Running(database_url, {"TELEMETRY_PUBLIC_URL": public_url})


@pytest.mark.parametrize(
    ("public_url", "name", "path", "secure"),
    [
        ("https://console.example", "__Host-telemetry_session", "/", True),
        ("https://console.example/telemetry", "__Secure-telemetry_session", "/telemetry", True),
        ("http://console.example", "telemetry_session", "/", False),
        ("http://console.example/a/telemetry/", "telemetry_session", "/a/telemetry", False),
    ],
)
def test_the_public_url_decides_how_cookies_are_bound(
    sqlite_url: str, public_url: str, name: str, path: str, *, secure: bool
) -> None:
    with _service(sqlite_url, public_url) as service:
        headers = {"Host": "console.example"}
        response = service.client.post("/login", data=LOGIN, headers=headers)
        session, device = response.headers.get_list("set-cookie")
        assert session.startswith(f"{name}=")
        assert device.startswith(f"{name.replace('session', 'device')}=")
        for cookie in (session, device):
            assert {"HttpOnly", f"Path={path}"} <= set(cookie.split("; "))
            assert ("Secure" in cookie.split("; ")) is secure
        assert ("strict-transport-security" in response.headers) is secure
        # What was set is read again, and deleted by the same name.
        read = headers | {"Cookie": session.partition(";")[0]}
        page = service.client.get("/settings/general/telemetry", headers=read)
        assert page.status_code == 200


def test_the_deployment_decides_whether_browsers_need_tls_for_subdomains_too(
    run_databases: RunDatabases, tmp_path: Path
) -> None:
    for setting, header in (("false", "max-age=31536000"), ("true", "max-age=31536000; includeSubDomains")):
        url = {"TELEMETRY_PUBLIC_URL": "https://console.example", "TELEMETRY_HSTS_SUBDOMAINS": setting}
        with Running(run_databases.sqlite(tmp_path), url) as service:
            for path in ("/login", "/healthz", "/nothing", "/api/v1/license", "/static/tab.css"):
                response = service.client.get(path, headers={"Host": "console.example"})
                assert response.headers["strict-transport-security"] == header


def test_only_forms_of_the_public_origin_are_its_own(sqlite_url: str) -> None:
    with _service(sqlite_url, "https://console.example:8443/telemetry") as service:
        cookies, proof = service.log_in()
        headers = {"Host": "console.example", "Cookie": f"__Secure-telemetry_session={cookies['telemetry_session']}"}

        def save(**said: str) -> Any:  # noqa: ANN401 - a response
            own = {name.replace("_", "-"): value for name, value in said.items()}
            return service.client.post(SAVE, data={"theme": "dark", "csrf_token": proof}, headers=headers | own)

        for origin in ("https://console.example", "http://console.example:8443", "https://elsewhere.example"):
            assert save(Origin=origin).status_code == 403
            refused = save(Origin=origin, Sec_Fetch_Site="same-origin")
            assert (refused.status_code, "TELEMETRY_PUBLIC_URL" in refused.text) == (403, True)
        assert save(Origin="https://console.example:8443").status_code == 303
        assert save().status_code == 303
