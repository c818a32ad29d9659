"""New passwords: what a guesser tries first is refused, and not repeated (finding M6)."""

import gzip
import hashlib
import math
import re
import time
from pathlib import Path
from random import Random

import pytest
from argon2 import PasswordHasher

from telemetry_service.domain.base64url import to_base64url
from telemetry_service.identity import password_rules
from telemetry_service.identity.authentication import Authentication
from telemetry_service.identity.breached_passwords import FILTER, is_breached, positions_of
from telemetry_service.identity.password_rules import PASSWORD_MAXIMUM, PasswordRefusedError, check_new_password
from telemetry_service.storage.database import Database
from tests.support.actors import CLI, STRANGER
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock

FOLDER = Path(password_rules.__file__).parent
NAMED, GUESSED, BREACHED = "must not contain the name", "is easy to guess", "public in breaches"

REFUSED = {
    "elevenchars": "12 to 1024",
    "x" * 1025: "12 to 1024",
    " " * 12: "begins or ends with a space",
    # Repetitions
    "aaaaaaaaaaaa": GUESSED,
    "abababababab": GUESSED,
    "passwordpassword": GUESSED,
    "letmein letmein": GUESSED,
    "letmein1letmein2": GUESSED,
    "Hunter2-HUNTER2!": GUESSED,
    "xk7qxk7qxk7q": GUESSED,
    # Sequences
    "123456789012": GUESSED,
    "987654321098": GUESSED,
    "abcdefghijkl": GUESSED,
    "ZYXWVUTSRQPO": GUESSED,
    "qwertyuiopas": GUESSED,
    "qwertz-123456!": GUESSED,
    # Common ones, and what is added to them
    "password1234": GUESSED,
    "Password1234": GUESSED,
    "2026-dragon!": GUESSED,
    "1q2w3e4r5t6y": GUESSED,
    "\uff30assword1234": GUESSED,
    "Summer2026!Summer": GUESSED,
    "Winter-2026-01": GUESSED,
    "iloveyou2026!!": GUESSED,
    "password dragon": GUESSED,
    # Other characters for letters, and backward
    "P@ssw0rd2026!!": GUESSED,
    "p4$$w0rd.19.84": GUESSED,
    "1l0v3y0u..1l0v3y0u": GUESSED,
    "drowssap2025": GUESSED,
    # Names
    "my Admin says no": NAMED,
    "administrator": NAMED,
    "adm1n1strator!": NAMED,
    "Control-Core rocks": NAMED,
    "controlc0re-2026": NAMED,
    "tele.metry of mine": NAMED,
    "7elem3try with zest": NAMED,
    "yrtemelet yrtemelet": NAMED,
    "3r0c-l0rtn0c is mine": NAMED,
    # Nothing of the kind, but known to everyone
    "Mailcreated5240": BREACHED,
    "gardentool080811!": BREACHED,
    "feelmywrath1": BREACHED,
    "meandtheboys": BREACHED,
    "ThisIsMyPassword": BREACHED,
    "Th1s1sMyP4ssword": BREACHED,
}


@each("password", REFUSED)
def test_a_password_that_is_easy_to_guess_is_refused_with_the_reason(password: str) -> None:
    with pytest.raises(PasswordRefusedError) as refusal:
        check_new_password(password)
    assert REFUSED[password] in refusal.value.text
    assert password not in refusal.value.text


ACCEPTED = (
    "correct horse battery",
    "Zürich am Abend",
    "password with 9 more words",
    "k7#Vq2-mZp0s",
    "739104826150",
    "合言葉は山と川と海と空です",
    "letmein " * 20 + "unless the end is another",
    "\U0001f419" * 3 + "\U0001f980" * 4 + "\U0001f41a" * 5 + "reef",
)


@each("password", ACCEPTED)
def test_a_password_that_only_its_owner_thinks_of_is_accepted(password: str) -> None:
    check_new_password(password)


def test_the_lists_of_passwords_are_the_ones_that_are_documented() -> None:
    page = (FOLDER / "VENDORED.md").read_text()
    for name, most in (("common-passwords.txt.gz", 100_000), ("breached-passwords.bloom", 2_500_000)):
        content = (FOLDER / name).read_bytes()
        assert re.findall(rf"`{name}`.*`([0-9a-f]{{64}})`", page) == [hashlib.sha256(content).hexdigest()]
        assert len(content) < most


def test_the_lists_hold_as_many_passwords_as_they_say() -> None:
    common = gzip.decompress((FOLDER / "common-passwords.txt.gz").read_bytes()).split()
    assert len(set(common)) > 19_000
    content = FILTER.read_bytes()
    bits, hashes = len(content) * 8, len(positions_of("", len(content) * 8))
    set_bits = int.from_bytes(content, "big").bit_count()
    held = -bits / hashes * math.log(1 - set_bits / bits)  # The usual estimate for a Bloom filter.
    assert 1_350_000 < held < 1_500_000


def test_hardly_any_other_password_seems_to_be_breached() -> None:
    chosen = Random(7)  # noqa: S311 - the same ones in each run
    others = (f"{chosen.getrandbits(80):x}" for _ in range(5000))
    assert sum(map(is_breached, others)) < 40


@pytest.mark.long
def test_no_password_of_16_random_bytes_is_refused_by_chance() -> None:
    chosen = Random(7)  # noqa: S311 - the same ones in each run
    for length in (16, 18, 24, 32):
        for _ in range(200):
            content = chosen.randbytes(length)
            check_new_password(content.hex())
            check_new_password(to_base64url(content).decode())


def test_the_longest_password_is_checked_at_once() -> None:
    begun = time.process_time()
    check_new_password("".join(chr(0x4E00 + number) for number in range(PASSWORD_MAXIMUM)))
    assert time.process_time() - begun < 1


def test_a_password_of_an_earlier_version_stays_valid_whatever_the_rules_say_today(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    old = "password1234"
    with pytest.raises(PasswordRefusedError):
        authentication.accounts.set_password(old, CLI)
    with database.write() as tx:
        tx.identity.set_password(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(old), clock.now())
    assert authentication.sessions.log_in("admin", old, STRANGER).token
