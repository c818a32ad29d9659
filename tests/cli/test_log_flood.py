"""However much a stranger sends, it makes few log lines, and they say who it is and nothing of what was sent."""

import signal
from pathlib import Path

from telemetry_service.sealing.keyring import generate_key
from tests.support.program import Program
from tests.support.raw_http import connect, everything_from

CANARY = b"canary-4711"
MALFORMED = {
    "no HTTP": CANARY + b"\r\n\r\n",
    "a long head": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + CANARY * 4000,
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + CANARY,
    "an upgrade": b"GET /" + CANARY + b" HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a target of no HTTP": b"GET ftp://" + CANARY + b"/ HTTP/1.1\r\nHost: a\r\n\r\n",
}
_ATTEMPTS = 40
_LINES_A_MINUTE = 10


def flood(port: int, request: bytes) -> None:
    for _ in range(_ATTEMPTS):
        with connect(port) as connection:
            try:
                connection.sendall(request)
                everything_from(connection)
            except ConnectionError:
                continue  # It was refused while it was still sending.


def test_megabytes_of_malformed_requests_make_a_few_lines_with_the_address(tmp_path: Path) -> None:
    keys = {"ENCRYPTION_KEY": generate_key(), "CREDENTIAL_ENCRYPTION_KEY": generate_key()}
    with Program("serve", "--port", "0", folder=tmp_path, environment=keys, forked=True) as service:
        port = int(service.wait_for_url().rpartition(":")[2])
        before = len(service.lines)
        for request in MALFORMED.values():
            flood(port, request)
        assert service.stop(signal.SIGTERM) == 0
        lines = service.lines[before:]
        assert CANARY.decode() not in service.errors
    refused = [line for line in lines if line["event"] == "request_refused"]
    # A minute may have ended in between, or two on a busy machine: they are few all the same.
    assert 1 <= len(refused) <= 3 * _LINES_A_MINUTE < _ATTEMPTS * len(MALFORMED) / 4
    logged = {(line["address"], line["code"], line["status"]) for line in refused}
    assert logged == {("127.0.0.1", "request-malformed", 400)}
    assert {line["event"] for line in lines} == {"request_refused", "service_stopping", "service_stopped"}
