"""Whatever waits begins first, with each worker a share of it, the browser's tests follow one another, none is lost."""

from dataclasses import dataclass
from typing import Any

from tests.support.each import each
from tests.support.turns import browser_together, in_turns, waiting_first


@dataclass(frozen=True)
class Item:
    """A test, as far as its turn goes."""

    number: int
    waits: bool
    fixturenames: tuple[str, ...] = ()
    long: bool = False

    def get_closest_marker(self, name: str) -> bool:
        return (self.waits and name == "waits") or (self.long and name == "long")


def collected(tests: int, waiting: int) -> list[Any]:
    """Return a collection whose last tests wait."""
    return [Item(number, number >= tests - waiting) for number in range(tests)]


@each(
    ("tests", "waiting", "workers"), [(100, 9, 4), (101, 8, 3), (10, 0, 4), (7, 7, 2), (3, 2, 8), (0, 0, 2), (5, 1, 1)]
)
def test_every_test_has_one_turn(tests: int, waiting: int, workers: int) -> None:
    items = collected(tests, waiting)
    assert sorted(item.number for item in in_turns(items, workers)) == list(range(tests))  # type: ignore[attr-defined]


def test_each_worker_begins_with_its_share() -> None:
    ordered: list[Any] = list(waiting_first(collected(100, 9), 4))
    parts = [ordered[start : start + 25] for start in range(0, 100, 25)]
    assert [[item.waits for item in part].index(False) for part in parts] == [3, 2, 2, 2]


def test_what_takes_long_follows_what_waits_and_what_does_both_has_one_turn() -> None:
    items: list[Any] = [Item(number, waits=number in {2, 9}, long=number in {1, 2, 8}) for number in range(10)]
    ordered: list[Any] = list(waiting_first(items, 2))
    assert [item.number for item in ordered] == [2, 1, 0, 3, 4, 9, 8, 5, 6, 7]


def test_the_others_keep_their_order() -> None:
    ordered: list[Any] = list(waiting_first(collected(50, 5), 2))
    others = [item.number for item in ordered if not item.waits]
    assert others == sorted(others)


def test_the_tests_of_the_browser_follow_one_another_in_their_order() -> None:
    items: list[Any] = [Item(number, waits=False, fixturenames=("browser",) * (number % 2)) for number in range(6)]
    ordered: list[Any] = list(browser_together(items))
    assert [item.number for item in ordered] == [1, 3, 5, 0, 2, 4]
