"""Snapshots of a source are kept as PostgreSQL writes them, and its newest row tells an older copy of it."""

import pytest

from telemetry_service.domain.source import Anchor, Era, Snapshot


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


def test_only_a_restart_with_the_same_view_shows_an_older_copy_by_the_row_that_was_read_last() -> None:
    on_server, in_file = Era("started at 1", "view"), Era(None, "view")
    restarted, same, other_view = Era("started at 2", "view"), on_server, Era("started at 2", "another view")
    row, another = "digest of the row", "digest of another row"
    for read, found, era, older_rows, older_copy in (
        (on_server, [row], restarted, True, False),
        (on_server, [another, row], restarted, True, False),
        (on_server, [another], restarted, False, True),
        (on_server, [], restarted, True, True),
        (on_server, [], restarted, False, False),  # It was deleted for its age, and with it all older ones.
        (on_server, [another], same, True, False),
        (on_server, [], same, True, False),
        (on_server, [another], other_view, True, False),
        (in_file, [row], in_file, True, False),
        (in_file, [another], in_file, False, True),
        (in_file, [], in_file, True, False),
        (in_file, [another], Era(None, "another view"), True, False),
    ):
        anchor = Anchor(7, "1", row, read)
        assert anchor.is_missing_in(found, era, older_rows=older_rows) is older_copy, (read, found, era, older_rows)
