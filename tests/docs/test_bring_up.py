"""The example that brings an installation up from nothing: the second run, and one after a restart, change nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.ledger import Kind
from tests.cli.test_side_effects import entries_of
from tests.docs.test_integrating import ROOT, blocks
from tests.support.dump import Dump, dump
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer
from tests.support.loopback import free_port
from tests.support.programs import needs
from tests.support.source import sqlite_audit_table

(DOCUMENTED,) = blocks("From nothing, without a click")
BY_THE_CLOCK = {"process_heartbeats", "ledger_verification", "ledger_pending", "source_cursor"}
"""What the running service writes by itself, whatever the script does."""

needs_curl = needs(shutil.which("curl"), "curl is not installed")


@pytest.fixture
def site(tmp_path: Path) -> Iterator["Installation"]:
    with LicenseServer(tmp_path / "license-server", SystemClock()) as license_server:
        installation = Installation(tmp_path, license_server)
        yield installation
        installation.stop()


class Installation:
    """A folder that the script is run for, beside a source that registers one of its bouncers otherwise."""

    def __init__(self, folder: Path, license_server: LicenseServer) -> None:
        self.folder, self._port = folder / "installation", free_port()
        self.url = f"sqlite:///{self.folder}/telemetry.db"
        self._key = folder / "api-key"
        self._key.write_text(f"{API_KEY}\n")
        (folder / "docs").symlink_to(ROOT / "docs")
        audit = sqlite_audit_table(folder)
        audit.register(("bnc-api-prd", "live", "pair-other"))
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TELEMETRY_LICENSE_SERVER_URL": license_server.server.url,
            "TELEMETRY_LICENSE_SERVER_CA_FILE": str(license_server.server.ca_pem_path),
            "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY": license_server.public_key,
            "TELEMETRY_CUSTOMER_ID": CUSTOMER,
            "TELEMETRY_SOURCE_DATABASE_URL": audit.reader_url,
        }

    def bring_up(self) -> str:
        """Run it as the page says, but for the port, and return its result."""
        ended = subprocess.run(
            ["/bin/sh", "-c", f"{DOCUMENTED.strip()} {self._port}"],
            cwd=self.folder.parent,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        log = self.folder / "service.log"
        written = f"{ended.stdout}{ended.stderr}{log.read_text()}"
        assert ended.returncode == 0, written
        secrets = [self._key, *(self.folder / "secrets").iterdir()]
        assert not [file.name for file in secrets if file.read_text().strip() in written]
        return ended.stdout

    def stop(self) -> None:
        """Stop the service that the script has started, and wait until it is gone."""
        pid = int((self.folder / "service.pid").read_text())
        with suppress(ProcessLookupError):
            while True:
                os.kill(pid, signal.SIGTERM)
                time.sleep(0.1)

    def rows(self) -> Dump:
        """Return the rows of all tables, without the time at which a token was last used."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE service_tokens SET last_used_at = NULL"))
        engine.dispose()
        return {name: rows for name, rows in dump(self.url).items() if name not in BY_THE_CLOCK}


@needs_curl
@pytest.mark.timeout(400)
@pytest.mark.waits
def test_a_second_run_and_one_after_a_restart_change_nothing_and_a_token_that_was_lost_is_replaced(
    site: Installation,
) -> None:
    result = site.bring_up()
    assert '"state": "success"' in result
    assert '"receipt_verified": true' in result
    assert re.search(r"^retention_days +90 +-$", result, re.MULTILINE)
    assert re.search(rf"^api_key +ends in {API_KEY[-4:]} +TELEMETRY_API_KEY$", result, re.MULTILINE)
    entries, rows = entries_of(site.url), site.rows()
    done = {entry.kind for entry in entries}
    assert {Kind.KEY_SET, Kind.SETTINGS, Kind.TOKEN_CREATED, Kind.FACTS, Kind.ANSWERED} <= done
    assert site.bring_up() == result
    assert (entries_of(site.url), site.rows()) == (entries, rows)
    site.stop()
    assert site.bring_up() == result
    assert (entries_of(site.url), site.rows()) == (entries, rows)
    (site.folder / "secrets" / "control_plane_token").unlink()  # As if it had been killed before it wrote the file.
    assert site.bring_up() == result
    added = Counter(entry.kind for entry in entries_of(site.url) if entry not in entries)
    assert added == {Kind.TOKEN_CREATED: 1, Kind.TOKEN_REVOKED: 1}
