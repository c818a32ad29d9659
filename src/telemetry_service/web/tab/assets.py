"""The static files, each under an address that holds the digest of its content, so that it may be kept permanently."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/static"
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
STYLES = (
    "tokens",
    "base",
    "type",
    "layout",
    "signs",
    "buttons",
    "fields",
    "settings",
    "health",
    "preview",
    "tables",
    "history",
    "connection",
    "timeline",
    "payload",
    "dialogs",
    "toasts",
    "shell",
)
"""The sections of the stylesheet in the order of the cascade: where two rules weigh the same, the later one holds."""
SCRIPTS = (
    "page",
    "times",
    "dialogs",
    "address",
    "toasts",
    "forms",
    "requests",
    "history",
    "connection",
    "copy",
)
"""The topics of the script in the order in which they hear of an event."""
_FOLDER = Path(__file__).parent.parent / "static"
_DIGEST_CHARACTERS = 16
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and compressed."""

    url: str
    media_type: str
    content: bytes
    compressed: bytes


class Assets:
    """All static files, read once and compressed once."""

    def __init__(self) -> None:
        """Read the folder; what is no stylesheet, script or image (such as VENDORED.md) is not served."""
        contents = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES}
        contents["tab.css"] = _joined(_FOLDER / "styles", STYLES, ".css")
        contents["tab.js"] = _joined(_FOLDER / "scripts", SCRIPTS, ".js")
        self._by_name = {name: _asset(name, content) for name, content in contents.items()}
        self._by_url = {asset.url: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """Return the address of a file; a name that is none of ours is a fault of a template."""
        return self._by_name[name].url

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return name in self._by_name

    def find(self, url: str) -> Asset | None:
        """Return the file under an address, or None: also where the digest is another version's."""
        return self._by_url.get(url)


def _joined(folder: Path, names: tuple[str, ...], suffix: str) -> bytes:
    """Make one file of several: a page asks for one stylesheet and one script, whatever they are made of."""
    return b"\n".join((folder / f"{name}{suffix}").read_bytes() for name in names)


def _asset(name: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]
    # The same bytes at each start: the moment of compression is left out.
    compressed = gzip.compress(content, 9, mtime=0)
    return Asset(f"{PREFIX}/{digest}/{name}", _MEDIA_TYPES[Path(name).suffix], content, compressed)
