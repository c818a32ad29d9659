"""Which new passwords are refused: the first ones that someone tries who guesses.

A password that is already in use stays valid, whatever these rules say.
"""

import unicodedata

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.plain_text import invisible_error
from telemetry_service.identity.breached_passwords import is_breached
from telemetry_service.identity.guessability import bits_of, spellings

PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 12, 1024
"""Characters. The upper limit keeps an attacker from feeding megabytes to the hash."""

BITS_MINIMUM = 36.0
"""Two common passwords have less. Three words that are not related have more, and so have 12 letters at random. Of 12
digits at random, a third have less: parts of them are years, sequences, or repetitions."""

LISTED_BITS = 80.0
"""Hardly any password that became public has more. What a program makes from 16 random bytes has, and is not compared
with the list: the list takes one in three hundred for a listed one, and no automated start may fail by chance."""

_NAMES = ("admin", "controlcore", "telemetry")
"""The user's name and the product's."""


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
    if (sentence_of := _guessable(canonical(password))) is not None:
        raise PasswordRefusedError(sentence_of)


def canonical(password: str) -> str:
    """Return how a password is compared: someone who guesses tries both cases and every width of a character."""
    return unicodedata.normalize("NFKC", password).casefold()


def _guessable(text: str) -> str | None:
    if any(name in written for spelling in spellings(text) for written in _both_ways(spelling) for name in _NAMES):
        return "A password must not contain the name of the user or of the product. Choose another one."
    bits = bits_of(text)
    if bits < BITS_MINIMUM:
        return (
            "This password is easy to guess: common passwords, years, repetitions, and sequences count for little."
            " Choose another one, such as four words that have nothing to do with each other."
        )
    if bits < LISTED_BITS and any(map(is_breached, spellings(text))):
        return "This password is among those that have become public in breaches. Choose another one."
    return None


def _both_ways(text: str) -> tuple[str, str]:
    letters = "".join(filter(str.isalpha, text))
    return letters, letters[::-1]
