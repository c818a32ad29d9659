"""Finds the templates and migrations: inside an installed package, or else at the top of the checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = _PACKAGE.parent.parent


def templates_folder() -> Path:
    """Return the folder of the templates."""
    return _folder("templates")


def migrations_folder() -> Path:
    """Return the folder of the migrations."""
    return _folder("migrations")


def _folder(name: str) -> Path:
    packed = _PACKAGE / f"_{name}"
    return packed if packed.is_dir() else _CHECKOUT / name
