"""What the demo prints once it runs: the address, the login, and what to try."""

from dataclasses import dataclass
from pathlib import Path

SETTINGS_TAB = "/settings/general/telemetry"


@dataclass(frozen=True, slots=True)
class Running:
    """A running demo."""

    url: str
    password: str
    folder: Path
    """Relative to the working directory, if possible."""
    license_server_url: str
    continued: bool
    with_source: bool = False


def block(demo: Running) -> str:
    """Return the text."""
    curl = f"curl -sK {demo.folder / 'license-server.curl'} {demo.license_server_url}/_control"
    past = "It resumes where it stopped" if demo.continued else "It holds two months of reports and transmissions"
    return f"""
The demo is running. {past}; --fresh starts over.

  Address    {demo.url}{SETTINGS_TAB}
  Log in as  admin
  Password   {demo.password}

What to try
  1. Log in and look around: the health, the preview, and the history. Open a transmission to see its payload,
     its attempts, and its receipt.
  2. One transmission failed because it hit a captive portal. Click Retry on it.
  3. Click Send Now, then see what the License Server received:
       {curl}/journal
  4. Break the License Server, click Send Now, and watch. Then repair it; the service delivers on its own:
       {curl}/faults -X PUT -d '{{"failure": {{"kind": "status", "status": 503}}}}'
       {curl}/faults -X PUT -d '{{}}'
  5. Report usage as another service would:
       TOKEN=$(cat {demo.folder / "report-token"}); curl -s {demo.url}/api/v1/bouncers -H "Authorization: Bearer $TOKEN"
     The README continues from there. The token for reading and changing settings is in {demo.folder / "admin-token"}.
  6. Verify the ledger. Any other command works in the same way, with the demo's settings and keys:
       (. {demo.folder / "environment"}; telemetry-service ledger verify)
{_source(demo)}
Press Ctrl-C to stop it. All demo data is in {demo.folder}.
"""


def _source(demo: Running) -> str:
    """Return what to try with the audit table, if there is one."""
    if not demo.with_source:
        return ""
    token = f'-H "Authorization: Bearer $(cat {demo.folder / "admin-token"})"'
    return f"""  7. The Control Plane writes a few audit events each second, and the service counts them from its table
     ({demo.folder / "control-plane.db"}). Reload the page to see the counts grow, and how far they are:
       curl -s {demo.url}/api/v1/telemetry/source {token}
     Count its older rows, too:
       (. {demo.folder / "environment"}; telemetry-service source catch-up --from 2026-01-01)
"""
