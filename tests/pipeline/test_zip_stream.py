"""A zip is written as a stream: in parts that make a valid file, and in little memory."""

import contextlib
import io
import os
import tracemalloc
import zipfile
from collections.abc import Iterator

from telemetry_service.pipeline.zip_stream import Member, zip_stream

MEBIBYTE = 1 << 20


def test_the_parts_are_a_valid_zip() -> None:
    members: list[Member] = [("a.txt", [b"one ", b"two"]), ("folder/b", [b""]), ("c", iter([b"x" * 100_000]))]
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(members)))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.txt", "folder/b", "c"]
        assert archive.read("a.txt") == b"one two"
        assert archive.read("c") == b"x" * 100_000


def test_the_same_content_is_the_same_file() -> None:
    made = [b"".join(zip_stream([("a", [b"content"])])) for _ in range(2)]
    assert made[0] == made[1]


def test_a_long_one_needs_little_memory() -> None:
    def members() -> Iterator[Member]:
        for number in range(48):
            yield f"{number}", (os.urandom(MEBIBYTE // 4) for _ in range(4))

    tracemalloc.start()
    written = sum(len(part) for part in zip_stream(members()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written > 48 * MEBIBYTE
    assert peak < 4 * MEBIBYTE


def test_an_error_on_the_way_leaves_no_complete_file() -> None:
    def members() -> Iterator[Member]:
        yield "a", [b"content"]
        message = "the database is gone"
        raise OSError(message)

    parts: list[bytes] = []
    with contextlib.suppress(OSError):
        parts.extend(zip_stream(members()))
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(parts)))
