"""The export is what the verifier takes: a pruned ledger begins with its checkpoint, and hostile rows do no harm."""

import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.pipeline.actions.export_ledger import export_ledger
from telemetry_service.pipeline.queries.ledger import read_ledger_keys
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.sweep import verify_everything
from telemetry_service.sealing.verify_ledger import main
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH
from tests.support.ledger_lines import sha256
from tests.support.site import Site, usage


def export(runtime: Runtime, folder: Path) -> Path:
    target = folder / "ledger.zip"
    target.write_bytes(b"".join(export_ledger(runtime, ADMIN)))
    return target


def verify(runtime: Runtime, exported: Path, *arguments: str) -> int:
    key = read_now(runtime, read_ledger_keys).present
    assert key is not None
    return main([str(exported), "--ledger-key", key.public_key, *arguments])


def live_for_a_year(site: Site) -> Runtime:
    """Let payloads be accepted, purged, and their entries pruned."""
    runtime = replace(site.runtime, deployment=replace(site.runtime.deployment, ledger_retention=timedelta(days=365)))
    for _ in range(14):
        site.report(usage())
        site.tick()
        site.clock.advance(days=31)
        purge(runtime)
        verify_everything(runtime)
    return runtime


@ON_BOTH
def test_a_pruned_ledger_is_exported_with_its_checkpoint(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = live_for_a_year(site)
    exported = export(runtime, tmp_path)
    with zipfile.ZipFile(exported) as archive:
        lines = archive.read("lines.txt").decode().splitlines()
        assert "checkpoint.jws" in archive.namelist()
    assert verify(runtime, exported, "--anchor", sha256(lines[-1])) == 0
    assert "Evidence purged: " in capsys.readouterr().out
    without = tmp_path / "without.zip"
    with zipfile.ZipFile(exported) as archive, zipfile.ZipFile(without, "w") as other:
        for name in archive.namelist():
            if name != "checkpoint.jws":
                other.writestr(name, archive.read(name))
    assert verify(runtime, without) == 7


@ON_BOTH
def test_what_somebody_put_beside_the_evidence_is_no_file_of_the_export(site: Site, tmp_path: Path) -> None:
    site.report(usage())
    site.tick()
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        # A name that leads out of the folder, and one that is there already.
        for name in ("../../etc/passwd", "(SELECT max(sha256) FROM evidence)"):
            quoted = name if name.startswith("(") else f"'{name}'"
            connection.execute(
                text(
                    "INSERT INTO ledger_salted_values (sha256, salted, at)"  # noqa: S608 - the names above
                    f" SELECT {quoted}, salted, at FROM ledger_salted_values LIMIT 1"
                )
            )
    engine.dispose()
    exported = export(site.runtime, tmp_path)
    with zipfile.ZipFile(io.BytesIO(exported.read_bytes())) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    assert not any(".." in name for name in names)
    assert verify(site.runtime, exported) == 0
