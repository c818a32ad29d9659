"""A table inside one test hides no case: each is looked at, and each that does not hold is told."""

import pytest

from tests.support.each import each


def test_every_case_is_looked_at_and_all_that_do_not_hold_are_told() -> None:
    seen: list[tuple[int, str]] = []

    @each("number", [1, 2])
    @each("word", ["good", "bad"])
    def check(number: int, word: str) -> None:
        seen.append((number, word))
        assert word == "good"

    with pytest.raises(ExceptionGroup) as told:
        check()
    assert seen == [(1, "good"), (1, "bad"), (2, "good"), (2, "bad")]
    assert [failure.__notes__ for failure in told.value.exceptions] == [["case: number=1"], ["case: number=2"]]
    assert told.group_contains(AssertionError, match="bad", depth=2)


def test_what_should_have_been_raised_and_was_not_is_told_too() -> None:
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
