"""Which new passwords are refused: the first ones that someone tries who guesses.

A password that is already in use stays valid, whatever these rules say.
"""

import gzip
import re
import unicodedata
from functools import cache
from pathlib import Path

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.plain_text import invisible_error

PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 12, 1024
"""Characters. The upper limit keeps an attacker from feeding megabytes to the hash."""

_COMMON = Path(__file__).parent / "common-passwords.txt.gz"

_NAMES = ("admin", "controlcore", "telemetry")
"""The user's name and the product's."""

_DISTINCT_MINIMUM = 5
_ADDED_MINIMUM = 8
"""Characters around a common password that make a new one of it; fewer are soon guessed."""

_RUNS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
"""The order of the alphabet, and of two keyboards."""


class PasswordRefusedError(TelemetryError):
    """The new password is too short, too long, easy to guess, or contains something invisible."""

    code = "password-refused"
    sentence = f"A password must have {PASSWORD_MINIMUM} to {PASSWORD_MAXIMUM} characters."


def check_new_password(password: str) -> None:
    """Refuse a password that is not text, or is easy to guess.

    Raises:
        PasswordRefusedError: with the reason, which contains nothing of the password.
    """
    if not PASSWORD_MINIMUM <= len(password) <= PASSWORD_MAXIMUM:
        raise PasswordRefusedError
    if (problem := invisible_error(password)) is not None:
        sentence = f"The password {problem}"
        raise PasswordRefusedError(sentence)
    if (sentence_of := _guessable(unicodedata.normalize("NFKC", password).casefold())) is not None:
        raise PasswordRefusedError(sentence_of)


def _guessable(text: str) -> str | None:
    # A text that repeats a shorter one occurs in two copies of itself at an inner position.
    if len(set(text)) < _DISTINCT_MINIMUM or text in (text + text)[1:-1]:
        return "This password repeats a few characters. Choose another one."
    if any(text in _endless(run, len(text)) for run in (*_RUNS, *(run[::-1] for run in _RUNS))):
        return "This password is a sequence of characters. Choose another one."
    if any(name in re.sub(r"[^a-z]", "", text) for name in _NAMES):
        return "A password must not contain the name of the user or of the product. Choose another one."
    if text in _common() or _is_common_with_more(text):
        return "This password is one of the most common ones, or nearly. Choose another one."
    return None


def _endless(run: str, length: int) -> str:
    return run * (length // len(run) + 2)


def _is_common_with_more(text: str) -> bool:
    """Whether it is a common password with a few digits or symbols before or after it."""
    core = re.sub(r"^[^a-z]+|[^a-z]+$", "", text)
    return len(text) - len(core) < _ADDED_MINIMUM and core in _common()


@cache
def _common() -> frozenset[str]:
    """Return the 20,000 most common passwords, in lower case."""
    with gzip.open(_COMMON, "rt", encoding="utf-8") as file:
        return frozenset(line.strip() for line in file)
