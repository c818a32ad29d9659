"""New passwords: what a guesser tries first is refused, and the refusal repeats nothing of it."""

import hashlib
import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from telemetry_service.identity import password_rules
from telemetry_service.identity.authentication import Authentication
from telemetry_service.identity.password_rules import PasswordRefusedError, check_new_password
from telemetry_service.storage.database import Database
from tests.support.actors import CLI, STRANGER
from tests.support.each import each
from tests.support.frozen_clock import FrozenClock

FOLDER = Path(password_rules.__file__).parent
REPEATS, SEQUENCE, NAMED, COMMON = "repeats a few", "is a sequence", "must not contain the name", "most common"

REFUSED = {
    "elevenchars": "12 to 1024",
    "x" * 1025: "12 to 1024",
    " " * 12: "begins or ends with a space",
    "aaaaaaaaaaaa": REPEATS,
    "abababababab": REPEATS,
    "passwordpassword": REPEATS,
    "123456789012": SEQUENCE,
    "987654321098": SEQUENCE,
    "abcdefghijkl": SEQUENCE,
    "ZYXWVUTSRQPO": SEQUENCE,
    "qwertyuiopas": SEQUENCE,
    "password1234": COMMON,
    "Password1234": COMMON,
    "2026-dragon!": COMMON,
    "1q2w3e4r5t6y": COMMON,
    "\uff30assword1234": COMMON,
    "my Admin says no": NAMED,
    "administrator": NAMED,
    "Control-Core rocks": NAMED,
    "tele.metry of mine": NAMED,
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
    "合言葉は山と川と海と空です",
)


@each("password", ACCEPTED)
def test_a_password_that_only_its_owner_thinks_of_is_accepted(password: str) -> None:
    check_new_password(password)


def test_the_list_of_common_passwords_is_the_one_that_is_documented() -> None:
    documented = re.findall(r"`([0-9a-f]{64})`", (FOLDER / "VENDORED.md").read_text())
    content = (FOLDER / "common-passwords.txt.gz").read_bytes()
    assert documented == [hashlib.sha256(content).hexdigest()]
    assert len(content) < 100_000


def test_a_password_of_an_earlier_version_stays_valid_whatever_the_rules_say_today(
    authentication: Authentication, database: Database, clock: FrozenClock
) -> None:
    old = "password1234"
    with pytest.raises(PasswordRefusedError):
        authentication.accounts.set_password(old, CLI)
    with database.write() as tx:
        tx.identity.set_password(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(old), clock.now())
    assert authentication.sessions.log_in("admin", old, STRANGER).token
