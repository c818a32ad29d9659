"""A table inside one test hides no case: each one runs, and each failure is reported."""

import pytest

from tests.support.each import each


def test_every_case_runs_and_all_failures_are_reported() -> None:
    seen: list[tuple[int, str]] = []

    @each("number", [1, 2])
    @each("word", ["good", "bad"])
    def check(number: int, word: str) -> None:
        seen.append((number, word))
        assert word == "good"

    with pytest.raises(ExceptionGroup) as raised:
        check()
    assert seen == [(1, "good"), (1, "bad"), (2, "good"), (2, "bad")]
    assert [failure.__notes__ for failure in raised.value.exceptions] == [["case: number=1"], ["case: number=2"]]
    assert raised.group_contains(AssertionError, match="bad", depth=2)


def test_a_missing_exception_is_reported_too() -> None:
    @each(("left", "right"), [(1, 2)])
    def check(left: int, right: int) -> None:
        with pytest.raises(ZeroDivisionError):
            assert left / right

    with pytest.raises(BaseExceptionGroup, match="1 of 1 cases"):
        check()


@pytest.fixture
def given() -> str:
    return "given"


@each("letter", "given")
def test_a_fixture_is_given_beside_the_case(letter: str, given: str) -> None:
    assert letter in given


def test_a_table_without_a_case_is_refused() -> None:
    with pytest.raises(AssertionError, match="checks nothing"):
        each("number", [])
