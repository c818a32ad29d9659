"""The Idempotency-Key: which texts are one, and what is stored of it."""

import hashlib

import pytest

from telemetry_service.domain.idempotency_key import is_idempotency_key, request_key_of
from tests.support.actors import ADMIN, CLI, OPS


@pytest.mark.parametrize("text", ["a", "run-7", "!~", "k" * 200])
def test_visible_ascii_is_a_key(text: str) -> None:
    assert is_idempotency_key(text)


@pytest.mark.parametrize("text", ["", " ", "two words", "é", "a\n", "k" * 201])
def test_anything_else_is_none(text: str) -> None:
    assert not is_idempotency_key(text)


def test_the_same_key_of_two_callers_is_two_requests() -> None:
    assert request_key_of(ADMIN, "run-7") == request_key_of(ADMIN, "run-7")
    assert request_key_of(ADMIN, "run-7") != request_key_of(CLI, "run-7")


def test_what_is_stored_stays_the_same_across_versions() -> None:
    assert request_key_of(ADMIN, "run-7") == hashlib.sha256(b"admin\0run-7").hexdigest()
    assert request_key_of(OPS, "run-7") == hashlib.sha256(b"token:ops\0run-7").hexdigest()


def test_what_is_stored_has_one_length_and_nothing_of_the_key() -> None:
    stored = {request_key_of(ADMIN, key) for key in ("run-7", "k" * 200)}
    assert {len(key) for key in stored} == {64}
    assert not any("run-7" in key for key in stored)
