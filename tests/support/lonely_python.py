"""A Python that has the package ``cryptography`` with what that needs, and nothing else."""

import venv
from pathlib import Path

import cryptography


def lonely_python(folder: Path) -> Path:
    """Make one in a folder, and return its program."""
    venv.create(folder, symlinks=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    installed = Path(cryptography.__file__).parents[1]
    for name in ("cryptography", "cffi", "pycparser", *(path.name for path in installed.glob("_cffi_backend*"))):
        if (installed / name).exists():
            (site / name).symlink_to(installed / name)
    return folder / "bin" / "python"
