"""The static files. The address of each contains the digest of its content, so that it may be cached permanently."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PREFIX = "/static"
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
STYLES = (
    "tokens",
    "base",
    "type",
    "layout",
    "badges",
    "buttons",
    "fields",
    "settings",
    "health",
    "preview",
    "tables",
    "history",
    "checklist",
    "connection",
    "timeline",
    "payload",
    "dialogs",
    "toasts",
    "components",
    "shell",
    "print",
)
"""The sections of the stylesheet in the order of the cascade: of two rules with equal weight, the later one wins."""
SCRIPTS = (
    "page",
    "clock",
    "live",
    "frame",
    "times",
    "dialogs",
    "address",
    "toasts",
    "forms",
    "requests",
    "history",
    "chart",
    "connection",
    "copy",
    "print",
)
"""The topics of the script in the order in which they handle an event."""
_FOLDER = Path(__file__).parent.parent / "static"
_OUR_PAGES = b'if ("telemetryPage" in document.documentElement.dataset) {\n%s\n}\n'
"""The script listens to the whole page, so it does nothing in a page that is not the service's."""
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
        """Read the folder; other files than stylesheets, scripts and images, such as VENDORED.md, are not served."""
        contents = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES}
        contents["tab.css"] = _joined(_FOLDER / "styles", STYLES, ".css")
        contents["tab.js"] = _OUR_PAGES % _joined(_FOLDER / "scripts", SCRIPTS, ".js")
        self._by_name = {name: _asset(name, content) for name, content in contents.items()}
        self._by_url = {asset.url: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """Return the address of a file; an unknown name is a bug in a template."""
        return self._by_name[name].url

    def content(self, name: str) -> bytes:
        """Return the content of a file."""
        return self._by_name[name].content

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return name in self._by_name

    def find(self, url: str) -> Asset | None:
        """Return the file at an address, or None, even if only the digest is that of another version."""
        return self._by_url.get(url)


@cache
def assets() -> Assets:
    """Return the static files of this version."""
    return Assets()


def _joined(folder: Path, names: tuple[str, ...], suffix: str) -> bytes:
    """Join several files: a page loads one stylesheet and one script."""
    return b"\n".join((folder / f"{name}{suffix}").read_bytes() for name in names)


def _asset(name: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]
    # The same bytes at each start: the time of compression is omitted.
    compressed = gzip.compress(content, 9, mtime=0)
    return Asset(f"{PREFIX}/{digest}/{name}", _MEDIA_TYPES[Path(name).suffix], content, compressed)
