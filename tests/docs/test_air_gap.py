"""The commands of docs/air-gap.md take a payload to the License Server and its receipt back, as they stand there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry_service.identity.scopes import Scope
from telemetry_service.reference.receipts import load_signer
from tests.cli.conftest import CommandLine, bare, cli
from tests.support.databases import on_sqlite
from tests.support.license_server import API_KEY, CUSTOMER
from tests.support.pages import commands
from tests.support.real_clock import RealClock
from tests.support.running import Running
from tests.web.api.test_facts import report, send

__all__ = ["bare", "cli", "on_sqlite"]

PAGE = Path(__file__).parents[2] / "docs" / "air-gap.md"
ORDER = ("## Export\n", "## The reference License Server\n", "## Import\n")
"""On the page, the trial's License Server comes last."""


@pytest.fixture
def vendor(tmp_path: Path) -> str:
    """The key of a License Server that keeps its things where the page says, and knows the API key and customer."""
    folder = tmp_path / "license-server-data"
    folder.mkdir()
    (folder / "api-key").write_text(API_KEY)
    return load_signer(folder / "receipt-key.pem").public_key


def test_a_payload_leaves_in_a_file_and_is_accepted_by_the_receipts_in_another(
    cli: CommandLine, vendor: str, tmp_path: Path
) -> None:
    cli.set(TELEMETRY_DELIVERY="bundle", TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=vendor, TELEMETRY_CUSTOMER_ID=CUSTOMER)
    with Running(cli.environment["TELEMETRY_DATABASE_URL"], cli.environment, RealClock()) as service:
        service.call(Scope.ADMIN, "PUT", "telemetry/config/api-key", json={"api_key": API_KEY})
        send(service, report())
        service.call(Scope.ADMIN, "POST", "telemetry/send-now")
        # The license server of the page belongs to the customer that its command names, if it is not told another.
        script = "".join(commands(PAGE, heading) for heading in ORDER).replace(
            "license-server --bundle", f"license-server --customer-id {CUSTOMER} --bundle"
        )
        ended = subprocess.run(
            ["/bin/bash", "-c", f"set -eo pipefail\n{script}"],
            cwd=tmp_path,
            env={
                **cli.environment,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "URL": str(service.client.base_url).rstrip("/"),
                "TOKEN": service.tokens[Scope.ADMIN],
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (sent,) = service.call(Scope.READ, "GET", "telemetry/history").json()["transmissions"]
    assert "Accepted: 1." in ended.stdout
    assert sent["status"] == "success"
    assert json.loads((tmp_path / "receipts.json").read_text())
