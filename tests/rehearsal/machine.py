"""A bare Debian system that boots here: Python, make, git, and curl, and nothing of this machine or of its user."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CERTIFICATES = "/etc/ssl/certs"
_PLACE = Path("/var/tmp/telemetry-rehearsal")  # noqa: S108 - root's own folder, and only root can boot a system
_PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,python-is-python3,make,git,ca-certificates,openssl,curl"
_UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash -e /rehearsal/script
StandardOutput=file:/rehearsal/output
StandardError=file:/rehearsal/errors
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS > /rehearsal/status'
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


def needs_to_boot() -> None:
    """Skip a rehearsal where a system cannot be made or booted."""
    missing = [name for name in ("mmdebstrap", "systemd-nspawn") if shutil.which(name) is None]
    if missing or os.geteuid():
        pytest.skip(f"it takes root, and {' and '.join(missing or ['nothing else'])}")


def debian() -> Path:
    """Return the folder of the system; the first call makes it, which takes minutes."""
    system = _PLACE / "debian"
    if not system.exists():
        unfinished = _PLACE / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _PLACE.mkdir(mode=0o700, exist_ok=True)
        packages = f"--include={_PACKAGES}"
        subprocess.run(["mmdebstrap", "--variant=minbase", packages, "bookworm", str(unfinished)], check=True)
        units = unfinished / "etc" / "systemd" / "system"
        (units / "rehearsal.service").write_text(_UNIT)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants" / "rehearsal.service").symlink_to("../rehearsal.service")
        unfinished.rename(system)
    return system


def repository(folder: Path) -> Path:
    """Return a bare repository with what is committed here."""
    bare = folder / "repository.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(bare)], check=True)
    return bare


def on_a_bare_machine(folder: Path, script: str, seconds: int) -> str:
    """Boot the system with ``folder`` as /rehearsal, run a script as root, and return what it wrote.

    Nothing that it changes stays. It shares the network, and the certificate authorities of the package index.
    """
    (folder / "script").write_text(script)
    settings = [f"--setenv=PIP_CERT={os.environ['PIP_CERT']}"] if "PIP_CERT" in os.environ else []
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--volatile=overlay"]
    places = [f"--directory={debian()}", f"--bind={folder}:/rehearsal", f"--bind-ro={CERTIFICATES}"]
    console = (folder / "console").open("wb")
    with console:
        subprocess.run([*command, *places, *settings], stdout=console, stderr=console, timeout=seconds, check=False)
    output, errors = (_read(folder / name) for name in ("output", "errors"))
    assert _read(folder / "status").strip() == "0", f"{output}\n{errors}\n{_read(folder / 'console')}"
    return output


def _read(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""
