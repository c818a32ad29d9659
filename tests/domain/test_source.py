"""Snapshots of a source are kept as PostgreSQL writes them."""

import pytest

from telemetry_service.domain.source import Snapshot


def test_a_snapshot_is_read_back_as_it_was_written() -> None:
    for text in ("3:3:", "3:9:3", "3:9:3,5,8", f"{2**40 + 1}:{2**40 + 9}:{2**40 + 4}"):
        assert str(Snapshot.parse(text)) == text


def test_a_snapshot_that_someone_spoils_is_none() -> None:
    for text in ("", "3", "3:9", "3:9:x", "9:3:", "3:9:9", "3:9:2", "3:9:5,4", "3:9:5,", " 3:9:", "3:9::", "03:9:"):
        with pytest.raises(ValueError):
            Snapshot.parse(text)


def test_what_comes_behind_the_newest_row_is_cut_off() -> None:
    assert str(Snapshot(3, 20, (3, 7, 12)).up_to(8)) == "3:9:3,7"
    assert str(Snapshot(3, 2**33, (3,)).up_to(2**32 - 1)) == f"3:{2**32 + 1}:3", "no ID has a lower half of zero"
