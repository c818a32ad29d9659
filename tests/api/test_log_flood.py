"""However much a stranger sends, it makes few log lines, and they say who it is and nothing of what was sent."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from telemetry_service.web.throttled_log import OTHERS, ThrottledLog
from tests.support.raw_http import connect, everything_from
from tests.support.running import Running

CANARY = "canary-4711"
MALFORMED = {
    "no HTTP": f"{CANARY}\r\n\r\n".encode(),
    "a long head": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + CANARY.encode() * 4000,
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + CANARY.encode(),
    "an upgrade": f"GET /?{CANARY} HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n".encode(),
}
_ATTEMPTS = 50


@pytest.mark.parametrize("kind", MALFORMED)
def test_megabytes_of_malformed_requests_make_a_line_or_two(
    shared: Running, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(_ATTEMPTS):
            with connect(shared.client.base_url.port or 0) as connection:
                try:
                    connection.sendall(MALFORMED[kind] * 10)
                    everything_from(connection)
                except ConnectionError:
                    continue  # It was refused while it was still sending.
    lines = [record for record in caplog.records if record.name.startswith(("telemetry_service", "uvicorn"))]
    assert len(lines) <= 2
    for line in lines:
        assert vars(line)["address"] == "127.0.0.1"
        assert line.getMessage() == "request_malformed"
        assert CANARY not in str(vars(line))


class Slow(ThrottledLog):
    """Its windows end when the test says so."""

    window_seconds = 3600
    callers = 3

    def end_window(self, event: str, address: str) -> None:
        self._close_window(event, address)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, str, int]]]:
    found: list[tuple[str, str, int]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append((record.getMessage(), vars(record)["address"], vars(record)["count"]))

    handler, log = Keep(), logging.getLogger("tests.throttled")
    log.addHandler(handler)
    with caplog.at_level(logging.WARNING):
        yield found
    log.removeHandler(handler)


def test_what_was_held_back_is_counted_in_the_next_line(lines: list[tuple[str, str, int]]) -> None:
    async def flood() -> None:
        log = Slow(logging.getLogger("tests.throttled"))
        for _ in range(1000):
            log.note("malformed", "a")
        assert lines == [("malformed", "a", 1)]
        log.end_window("malformed", "a")
        assert lines[1:] == [("malformed", "a", 999)]
        log.end_window("malformed", "a")  # Nothing more came: nothing more is said, and nothing is remembered.
        log.note("malformed", "a")
        assert lines[2:] == [("malformed", "a", 1)]

    asyncio.run(flood())


def test_callers_beyond_some_are_one(lines: list[tuple[str, str, int]]) -> None:
    async def flood() -> None:
        log = Slow(logging.getLogger("tests.throttled"))
        for number in range(1000):
            log.note("malformed", str(number))
        assert [address for _, address, _ in lines] == ["0", "1", "2", OTHERS]
        log.end_window("malformed", OTHERS)
        assert lines[4:] == [("malformed", OTHERS, 996)]
        log.note("unread", "5")  # Another event is another matter.
        assert lines[5:] == [("unread", "5", 1)]

    asyncio.run(flood())
