"""What the scripts share that write files from the code: a part between two comments, and ``--check``."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


class PlaceMissingError(Exception):
    """A page lacks the comments between which its table is written."""


def between(before: str, subject: str, lines: Iterable[str]) -> str:
    """Return a page with the part about ``subject`` rewritten, which stands between two comments.

    Raises:
        PlaceMissingError: it has no such place.
    """
    begin = f"<!-- {subject}: written by `make docs`. -->\n"
    end = f"<!-- End of {subject[0].lower()}{subject[1:]}. -->\n"
    head, begun, rest = before.partition(begin)
    _, ended, tail = rest.partition(end)
    if not (begun and ended):
        raise PlaceMissingError(begin)
    return head + begin + "".join(lines) + end + tail


def write_or_check(wanted: Mapping[Path, str]) -> int:
    """Write the files; with ``--check`` write nothing, and return 1 if one is not current."""
    if "--check" not in sys.argv[1:]:
        for file, text in wanted.items():
            file.write_text(text)
        return 0
    old = [file for file, text in wanted.items() if not file.exists() or file.read_text() != text]
    for file in old:
        print(f"{file.relative_to(ROOT)} is not what the code says: run `make docs`.", file=sys.stderr)
    return 1 if old else 0
