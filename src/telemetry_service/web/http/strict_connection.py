"""HTTP/1.1 as RFC 9112 writes it: what h11 tolerates, and a proxy in front may read differently, is refused.

The size of a head is exact, however its bytes arrive, even behind an earlier request. Lines end with CRLF, a header has
one line, and nothing follows a body: no route reads trailers.
"""

import re

import h11

HEADER_BYTES = 32 * 1024
"""More than any browser or service sends before the body."""

_HEAD_END = re.compile(rb"\n\r?\n")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_FOLDED = re.compile(rb"\n[ \t]")


class StrictConnection(h11.Connection):
    """The server's side of a connection."""

    def __init__(self) -> None:
        """Begin."""
        super().__init__(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
        self._chunked = False

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event.

        Raises:
            RemoteProtocolError: what arrived is not HTTP/1.1, or could be read in two ways.
        """
        if self.their_state is h11.IDLE:
            _check_head(self.trailing_data[0])
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._chunked = any(name == b"transfer-encoding" for name, _value in event.headers)
            return event
        return self._next_of_chunks() if self._chunked else super().next_event()

    def _next_of_chunks(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        arrived = self.trailing_data[0]
        event = super().next_event()
        if isinstance(event, h11.EndOfMessage):
            self._chunked = False
            read = arrived[: len(arrived) - len(self.trailing_data[0])]
            if list(event.headers) or not read.endswith(b"\r\n"):
                message = "something follows the last chunk"
                raise h11.RemoteProtocolError(message)
        return event


def _check_head(arrived: bytes) -> None:
    end = _HEAD_END.search(arrived)
    head = arrived[: end.end()] if end else arrived
    if len(head) > HEADER_BYTES or (end and (_BARE_LINE_FEED.search(head) or _FOLDED.search(head))):
        message = "the head is too large, or has a line that does not end with CRLF or continues the one before it"
        raise h11.RemoteProtocolError(message)
