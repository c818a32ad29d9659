"""What the demo prints once it runs: where, who, and what to try."""

from dataclasses import dataclass
from pathlib import Path

SETTINGS_TAB = "/settings/general/telemetry"


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that runs."""

    url: str
    password: str
    folder: Path
    """As a reader in this working directory would name it."""
    license_server_url: str
    continued: bool


def block(demo: Running) -> str:
    """Return the text."""
    curl = f"curl -sK {demo.folder / 'license-server.curl'} {demo.license_server_url}/_control"
    past = "It goes on where it was stopped" if demo.continued else "Two months of reports and transmissions are in it"
    return f"""
The demo runs. {past}; --fresh begins anew.

  Address    {demo.url}{SETTINGS_TAB}
  Log in as  admin
  Password   {demo.password}

What to try
  1. Log in and look: health, what would leave now, and the history. Open a transmission for its payload,
     its attempts and its receipt.
  2. One transmission has failed, for it met a captive portal. Press Retry on it.
  3. Press Send Now, then see what the License Server received:
       {curl}/journal
  4. Break the License Server, press Send Now and watch; then repair it, and the service delivers by itself:
       {curl}/faults -X PUT -d '{{"failure": {{"kind": "status", "status": 503}}}}'
       {curl}/faults -X PUT -d '{{}}'
  5. Report usage as another service would:
       TOKEN=$(cat {demo.folder / "report-token"}); curl -s {demo.url}/api/v1/bouncers -H "Authorization: Bearer $TOKEN"
     The README goes on from there. The token for reading and changing is in {demo.folder / "admin-token"}.

Ctrl-C stops it. Everything it keeps is in {demo.folder}.
"""
