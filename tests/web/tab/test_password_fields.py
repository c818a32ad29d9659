"""Every field for a password hides what is typed, and says to a password manager what belongs there (ASVS 6.2)."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from telemetry_service.web.tab import paths
from tests.support.running import Running

STATIC = Path(__file__).parents[3] / "src" / "telemetry_service" / "web" / "static"
EXPECTED = {
    "password": "current-password",
    "present": "current-password",
    "new": "new-password",
    "again": "new-password",
}
"""What belongs into a field, by its name."""


def _fields(page: str) -> Iterator[tuple[str, dict[str, str]]]:
    for tag in re.findall(r"<input\b[^>]*>", page):
        said = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if said.get("name") in EXPECTED:
            yield said["name"], said


def test_a_field_for_a_password_hides_it_and_takes_it_from_a_password_manager(shared: Running) -> None:
    (cookies, proof), _another = shared.log_in(), shared.log_in()
    shared.clock.advance(timedelta(minutes=11))  # So that secrets and other sessions take the password again.
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRF-Token": proof}
    calls: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("GET", paths.LOGIN, {}),
        ("GET", paths.ACCESS, headers),
        ("POST", paths.REVEAL, headers),
    )
    seen = Counter[str]()
    for method, path, shown in calls:
        fields = list(_fields(shared.client.request(method, path, headers=shown).text))
        assert fields, path
        for name, said in fields:
            assert (said["type"], said["autocomplete"]) == ("password", EXPECTED[name]), (path, said)
            seen[name] += 1
    assert set(seen) == set(EXPECTED)
    assert seen["password"] > len(calls) - 1, "the login, the sessions, and the secret"


def test_no_script_and_no_field_hinders_pasting() -> None:
    scripts = "".join(script.read_text() for script in STATIC.rglob("*.js"))
    assert "submit" in scripts
    assert not re.search(r"\bpaste\b|onpaste|clipboardData", scripts)
