"""The modes of the fault server: each is one way for a License Server, or something in its place, to go wrong."""

import gzip
import json
import os
from collections.abc import Sequence

from tests.support.fault_server import Mode, ReceivedRequest, Visit

_HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: appl"
_HALF_A_BODY = b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"transmission_id":'
_MEBIBYTE = 1024 * 1024


def response(
    status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = (), reason: str = "Whatever"
) -> bytes:
    """Return the bytes of an HTTP response."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *(f"{n}: {v}" for n, v in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def acceptance(request: ReceivedRequest, **changes: object) -> bytes:
    """Return the body of a valid acceptance, with members changed; a change to ``...`` leaves the member out."""
    members: dict[str, object] = {
        "transmission_id": request.headers.get("x-telemetry-id"),
        "status": "accepted",
        "received_at": "2026-11-15T02:03:18.000Z",
    }
    members |= changes
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


def accept(visit: Visit) -> None:
    """Be a License Server: accept everything, and respond to a ping."""
    visit.secure()
    request = visit.read_request()
    visit.send(response(200, b'{"status":"ok"}' if request.path.endswith("/ping") else acceptance(request)))


def accept_with(**changes: object) -> Mode:
    """Accept, with some members of the response changed."""

    def mode(visit: Visit) -> None:
        visit.secure()
        visit.send(response(200, acceptance(visit.read_request(), **changes)))

    return mode


def reply(status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = (), reason: str = "Whatever") -> Mode:
    """Read the request and send this response."""
    return reply_raw(response(status, body, headers, reason))


def reply_raw(outgoing: bytes) -> Mode:
    """Read the request and send these bytes, whatever they are."""

    def mode(visit: Visit) -> None:
        visit.secure()
        visit.read_request()
        visit.send(outgoing)

    return mode


def echo(secret: str) -> Mode:
    """Put a secret into every part of a response, with status 500."""
    return reply(500, secret.encode(), [("X-Echo", secret), ("Retry-After", secret)], reason=secret)


def hang_up_at_once(visit: Visit) -> None:
    """Accept the connection, and die."""
    visit.socket.close()


def reset_at_once(visit: Visit) -> None:
    """Reset before TLS."""
    visit.reset()


def reset_before_reading(visit: Visit) -> None:
    """Reset after TLS, before the request was read."""
    visit.secure()
    visit.reset()


def reset_after_reading(visit: Visit) -> None:
    """Reset when the request has arrived: whether it was kept, nobody knows."""
    visit.secure()
    visit.read_request()
    visit.reset()


def die_after_reading(visit: Visit) -> None:
    """Take the request, and close without a word."""
    visit.secure()
    visit.read_request()


def die_in_the_head(visit: Visit) -> None:
    """Close in the middle of the headers."""
    reply_raw(_HALF_A_HEAD)(visit)


def die_in_the_body(visit: Visit) -> None:
    """Close in the middle of the body."""
    reply_raw(_HALF_A_BODY)(visit)


def hang_at_tls(visit: Visit) -> None:
    """Never begin TLS."""
    visit.hang()


def hang_within_tls(visit: Visit) -> None:
    """Receive the TLS ClientHello, start to respond, and send nothing more."""
    visit.socket.recv(65_536)
    visit.send(b"\x16\x03\x03\x00\x7a\x02\x00")
    visit.hang()


def hang_before_headers(visit: Visit) -> None:
    """Read the request and say nothing."""
    visit.secure()
    visit.read_request()
    visit.hang()


def hang_mid_headers(visit: Visit) -> None:
    """Say half of the headers."""
    die_in_the_head(visit)
    visit.hang()


def hang_mid_body(visit: Visit) -> None:
    """Say half of the body."""
    die_in_the_body(visit)
    visit.hang()


def trickle(visit: Visit) -> None:
    """Send a perfect response one byte at a time, far too slowly."""
    visit.secure()
    request = visit.read_request()
    visit.trickle(response(200, acceptance(request), [("X-Padding", "x" * 20_000)]))


def trickle_the_body(visit: Visit) -> None:
    """Send the headers at once, and a body without end one byte now and then."""
    visit.secure()
    visit.read_request()
    visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        visit.trickle(b"1\r\n \r\n")


def trickle_interim_responses(visit: Visit) -> None:
    """Send 103 Early Hints for ever."""
    visit.secure()
    visit.read_request()
    while True:
        visit.trickle(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def endless_interim_responses(visit: Visit) -> None:
    """Send 103 Early Hints as fast as possible, for ever."""
    visit.secure()
    visit.read_request()
    while True:
        visit.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


def endless_headers(visit: Visit) -> None:
    """Send headers as fast as possible, for ever."""
    visit.secure()
    visit.read_request()
    visit.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        visit.send(b"X-More: more\r\n" * 1000)


def endless_body(visit: Visit) -> None:
    """Send a body as fast as possible, for ever."""
    visit.secure()
    visit.read_request()
    visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        visit.send(b"400\r\n" + b" " * 1024 + b"\r\n")


def huge_body(visit: Visit) -> None:
    """Send a body of a mebibyte with an acceptance at its beginning."""
    visit.secure()
    body = acceptance(visit.read_request())
    visit.send(response(200, body + b" " * _MEBIBYTE))


def compressed_bomb(visit: Visit) -> None:
    """Send an acceptance, compressed, with 8 MiB of blanks behind it."""
    visit.secure()
    body = acceptance(visit.read_request())
    bomb = gzip.compress(body + b" " * (8 * _MEBIBYTE))
    visit.send(response(200, bomb, [("Content-Encoding", "gzip")]))


def speak_plaintext(visit: Visit) -> None:
    """Respond to the TLS ClientHello with plain HTTP, as some proxies do."""
    visit.send(response(400))
    visit.hang()


def certificate_expired(visit: Visit) -> None:
    """Show a certificate of long ago."""
    visit.secure(visit.server.certificates.expired)


def certificate_not_yet_valid(visit: Visit) -> None:
    """Show a certificate of far ahead."""
    visit.secure(visit.server.certificates.not_yet_valid)


def certificate_of_another_host(visit: Visit) -> None:
    """Show somebody else's certificate."""
    visit.secure(visit.server.certificates.other_host)


def certificate_of_unknown_authority(visit: Visit) -> None:
    """Show a certificate that nobody has heard of."""
    visit.secure(visit.server.certificates.unknown_authority)


def certificate_with_a_common_name_only(visit: Visit) -> None:
    """Show a certificate that names the host in its common name, and nowhere else."""
    visit.secure(visit.server.certificates.common_name_only)


def tls_1_1_only(visit: Visit) -> None:
    """Know nothing newer than TLS 1.1, and say so with an alert."""
    visit.secure(visit.server.certificates.tls_1_1_only)


def insist_on_tls_1_1(visit: Visit) -> None:
    """Choose TLS 1.1 in the ServerHello although it was not offered."""
    body = b"\x03\x02" + bytes(32) + b"\x00" + b"\xc0\x13" + b"\x00"
    hello = b"\x02" + len(body).to_bytes(3, "big") + body
    visit.send(b"\x16\x03\x02" + len(hello).to_bytes(2, "big") + hello)
    visit.hang()


def respond_without_reading(visit: Visit) -> None:
    """Say that the request is too large before having read it."""
    visit.secure()
    visit.send(response(413))
    visit.hang()


def accept_as(status: int) -> Mode:
    """Accept in words, with another status than 200."""

    def mode(visit: Visit) -> None:
        visit.secure()
        visit.send(response(status, acceptance(visit.read_request())))

    return mode


def refuse_endlessly(visit: Visit) -> None:
    """Refuse with a body without end."""
    visit.secure()
    visit.read_request()
    visit.send(b"HTTP/1.1 422 No\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        visit.send(b"400\r\n" + b" " * 1024 + b"\r\n")


def forbid_and_wait(visit: Visit) -> None:
    """Begin a problem document, and never end it."""
    visit.secure()
    visit.read_request()
    visit.send(b"HTTP/1.1 403 No\r\nContent-Type: application/problem+json\r\nContent-Length: 99\r\n\r\n{")
    visit.hang()


def accept_encoded(coding: str) -> Mode:
    """Accept, and claim a content coding."""

    def mode(visit: Visit) -> None:
        visit.secure()
        visit.send(response(200, acceptance(visit.read_request()), [("Content-Encoding", coding)]))

    return mode


def garbage(visit: Visit) -> None:
    """Respond with something that is not HTTP."""
    reply_raw(bytes(range(256)) * 8)(visit)


def never_read(visit: Visit) -> None:
    """Agree on TLS, and then take nothing and say nothing."""
    visit.secure()
    while True:
        visit.pause()


def break_the_cipher(visit: Visit) -> None:
    """Respond with bytes that are not TLS, within a TLS connection."""
    visit.secure()
    visit.read_request()
    os.write(visit.socket.fileno(), b"HTTP/1.1 200 OK\r\n\r\n")
    visit.hang()
