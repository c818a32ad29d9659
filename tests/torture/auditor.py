"""The last word on a run's history: its export, verified by a program that has nothing of the service."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from telemetry_service.pipeline.actions.export_ledger import export_ledger
from telemetry_service.pipeline.queries.ledger import read_ledger_keys
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.sealing import verify_ledger
from tests.support.actors import ADMIN
from tests.support.lonely_python import lonely_python


def verdict(runtime: Runtime, vendor_key: str, anchors: Sequence[str], folder: Path) -> str:
    """Return the last line of the verifier's report about an export of everything: ``Verified.`` if all is right.

    The ends of all earlier reckonings are its anchors, and receipts are checked under the License Server's key.
    """
    export = folder / "ledger.zip"
    with export.open("wb") as file:
        file.writelines(export_ledger(runtime, ADMIN))
    present = read_now(runtime, read_ledger_keys).present
    keys = [f"--ledger-key={present.public_key}" if present else "--ledger-key=", f"--vendor-key={vendor_key}"]
    program = [str(lonely_python(folder / "lonely")), "-I", verify_ledger.__file__, str(export), *keys]
    ended = subprocess.run(
        [*program, *(f"--anchor={it}" for it in anchors)], capture_output=True, text=True, check=False
    )
    return (ended.stdout + ended.stderr).strip().splitlines()[-1]
