"""Writes a zip file as a stream: its parts are yielded as they are compressed, and none of it is kept."""

import zipfile
from collections.abc import Iterable, Iterator

Member = tuple[str, Iterable[bytes]]
"""The name of a file in the zip, and its content in pieces."""

_DATE = (2026, 1, 1, 0, 0, 0)
"""The same for all files: what a file says is dated by the ledger."""


class _Sink:
    """What the zip is written to. It cannot seek, so sizes follow each file's content."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes, /) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Do nothing: ``taken`` empties it."""

    def close(self) -> None:
        """Do nothing: what was written may still be taken."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a zip file with ``members``, in parts. Only names and sizes are remembered, for the list at its end."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in members:
            described = zipfile.ZipInfo(name, _DATE)
            described.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(described, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    yield sink.taken()
    yield sink.taken()
