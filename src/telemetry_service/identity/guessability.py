"""How many guesses a password withstands: someone who guesses tries common passwords, years and repetitions first.

A small cousin of zxcvbn: the password is cut into the pieces that are cheapest to guess, and their costs are added.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_COMMON = Path(__file__).parent / "common-passwords.txt.gz"

_LONGEST_TEXT = 128
"""Characters that are looked at: a password whose beginning is hard to guess is, too."""
_LONGEST_PIECE = 24
_SHORTEST_WORD, _SHORTEST_PATTERN = 4, 3

_LETTER, _OTHER_ASCII, _UNICODE = 4.7, 3.3, 7.0
"""Bits of a character that fits into nothing: one of 26, of 10, or of many."""
_WORD = 14.3
"""Bits of one of the 20,000 most common passwords."""
_CHANGED = 1.0
"""Bits of writing it backward, or with other characters for some letters."""
_PATTERN = 6.0
"""Bits of a year, or of a part of a sequence."""
_REPEATED = 4.0
"""Bits of what is there twice."""

_ROWS = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
_SEQUENCES = " ".join((*(row * 2 for row in _ROWS), *((row * 2)[::-1] for row in _ROWS)))
_YEAR = re.compile(r"(?:19|20)[0-9]{2}", re.ASCII)


def _table(one: str) -> dict[int, str]:
    return str.maketrans(dict(zip("0134578@$!|+(6", f"o{one}eastbas{one}ltcg", strict=True)))


_TABLES = (_table("i"), _table("l"))


def spellings(text: str) -> tuple[str, ...]:
    """Return a text, and what it reads as with letters for the characters that look like them; all equally long."""
    return tuple(dict.fromkeys((text, *(text.translate(table) for table in _TABLES))))


@dataclass(frozen=True, slots=True)
class _Text:
    spellings: tuple[str, ...]

    def cost(self, start: int, end: int) -> float:
        """Return the bits of a piece, as the cheapest thing that it can be."""
        return min(self._costs(start, end))

    def _costs(self, start: int, end: int) -> Iterator[float]:
        text = self.spellings[0]
        piece, length = text[start:end], end - start
        yield sum(map(_of_character, piece))
        if piece == piece[0] * length:
            yield _of_character(piece[0]) + _REPEATED
        if length >= _SHORTEST_PATTERN and piece in text[:start]:
            yield _REPEATED
        if length >= _SHORTEST_PATTERN and (piece in _SEQUENCES or _YEAR.fullmatch(piece)):
            yield _PATTERN
        if length >= _SHORTEST_WORD:
            yield from (_of_word(changed, piece) for each in self.spellings for changed in _both_ways(each[start:end]))


def _both_ways(piece: str) -> tuple[str, str]:
    return piece, piece[::-1]


def _of_word(word: str, written: str) -> float:
    if word not in common_passwords():
        return float("inf")
    return _WORD if word == written else _WORD + _CHANGED


def _of_character(character: str) -> float:
    if not character.isascii():
        return _UNICODE
    return _LETTER if character.isalpha() else _OTHER_ASCII


def bits_of(text: str) -> float:
    """Return the binary logarithm of the guesses that a text in lower case withstands."""
    looked_at = _Text(spellings(text[:_LONGEST_TEXT]))
    least = [0.0]
    for end in range(1, len(looked_at.spellings[0]) + 1):
        starts = range(max(0, end - _LONGEST_PIECE), end)
        least.append(min(least[start] + looked_at.cost(start, end) for start in starts))
    return least[-1]


@cache
def common_passwords() -> frozenset[str]:
    """Return the 20,000 most common passwords, in lower case."""
    with gzip.open(_COMMON, "rt", encoding="utf-8") as file:
        return frozenset(line.strip() for line in file)
