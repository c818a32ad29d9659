"""A capture of what the process sends equals the tables of docs/privacy.md, name lookups and handshakes included.

The real service runs in a network namespace whose only interface is watched. Everything that it sends is seen there: to
the License Server, to the proxy, to name servers or anywhere else. It needs no root, but a system that allows such a
namespace; elsewhere it is skipped, except in CI, and ``test_privacy.py`` compares the headers.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.support import namespace
from tests.support.captured_service import LISTED, PROXY, VENDOR
from tests.support.databases import RunDatabases
from tests.support.each import each
from tests.support.privacy_page import Header, headers, literals, request_lines, table
from tests.support.programs import permitted

ROOT = Path(__file__).parents[2]
DIRECT = ("transmission", "connection test", "transmission, not encrypted")
PROXIED = ("transmission through a proxy", "connection test through a proxy")
PINNED = ("transmission through a proxy",)
"""A key is pinned on the way through the proxy; a connection test says nothing of the ledger."""
TIMES = {"never": 0, "once": 1}

Capture = dict[str, Any]


def skip_without_namespaces() -> None:
    permitted(namespace.can_enter(), "this system does not allow network namespaces (unshare): nothing can be captured")


@pytest.fixture
def captured(run_databases: RunDatabases, tmp_path: Path) -> Capture:
    skip_without_namespaces()
    return capture(tmp_path, run_databases.sqlite(tmp_path))


def capture(folder: Path, *arguments: str) -> Capture:
    program = [sys.executable, "-m", "tests.support.captured_service", str(folder), *arguments]
    ended = subprocess.run(namespace.enter(*program), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: Capture = json.loads(ended.stdout)
    return found


def everything_would_be_seen(captured: Capture) -> None:
    """A datagram to another machine, and what a name without its final dot would show to the search domains."""
    assert captured["sees everything"]
    asked = {name for _, name in captured["lookups"]["without its final dot"]}
    assert asked == {VENDOR, f"{VENDOR}.cluster.example", f"{VENDOR}.corp.example"}


def an_idle_start_sends_nothing_and_looks_nothing_up(captured: Capture) -> None:
    assert captured["idle"]["packets"] == 0
    assert not any(captured["idle"].values())


def nothing_is_sent_elsewhere(captured: Capture) -> None:
    for occasion in (*DIRECT, *PROXIED):
        assert captured[occasion]["elsewhere"] == [], occasion


def each_request_has_its_own_connection_to_the_license_server(captured: Capture) -> None:
    for occasion in DIRECT:
        assert captured[occasion]["opened"] == ["License Server"], occasion


def through_a_proxy_only_the_proxy_is_connected_to(captured: Capture) -> None:
    for occasion in PROXIED:
        # The second connection is the proxy's.
        assert captured[occasion]["opened"] == ["proxy", "License Server"], occasion


def the_names_asked_for_are_those_of_the_table(captured: Capture) -> None:
    rows = {literals(name)[0]: (TIMES[direct], TIMES[proxied]) for name, direct, proxied in table("name")}
    assert set(rows) == {"<host>.", "<proxy>"}
    for column, occasions in enumerate((DIRECT, PROXIED)):
        for occasion in occasions:
            questions = captured[occasion]["questions"]
            vendors = [question for question in questions if "vendor" in question[1]]
            assert vendors == [["A", VENDOR]] * rows["<host>."][column], occasion
            assert questions.count(["A", PROXY]) == rows["<proxy>"][column], occasion
            assert all(name.startswith((VENDOR, PROXY)) for _, name in questions), occasion


def a_name_in_the_hosts_file_reaches_no_name_server(captured: Capture) -> None:
    assert captured["lookups"][LISTED] == []
    assert captured["lookups"][VENDOR] == [["A", VENDOR]]


def the_handshake_is_that_of_the_table(captured: Capture) -> None:
    cells = dict(table("part of the TLS handshake"))
    expected = {
        "server_name": VENDOR if literals(cells["server name (SNI)"]) == ["<host>"] else None,
        "protocols": literals(cells["protocol (ALPN)"]),
        "versions": literals(cells["versions"]),
        "resumes": not cells["session to resume"].startswith("none"),
    }
    for occasion in (*DIRECT, *PROXIED):
        assert captured[occasion]["handshakes"] == [expected], occasion
        assert bool(captured[occasion]["client certificates"]) != cells["client certificate"].startswith("none")


def the_headers_are_those_of_the_table(captured: Capture) -> None:
    for occasion in (*DIRECT, *PROXIED):
        pinned = {"a pinned receipt key"} if occasion in PINNED else set()
        [head] = captured[occasion]["requests"]
        agree(head, headers(), {"every request"} | pinned)


def the_headers_to_the_proxy_are_those_of_the_table(captured: Capture) -> None:
    for occasion in PROXIED:
        [head] = captured[occasion]["requests to the proxy"]
        agree(head, headers("header to the proxy"), {"every tunnel", "credentials in the proxy's URL"})
    assert not any(captured[occasion]["requests to the proxy"] for occasion in DIRECT)


def only_an_encrypted_transmission_says_that_it_is(captured: Capture) -> None:
    said = {occasion: "Content-Type: application/jose" in captured[occasion]["requests"][0] for occasion in DIRECT}
    assert [occasion for occasion, jose in said.items() if jose] == ["transmission"]


def agree(head: str, rows: list[Header], circumstances: set[str]) -> None:
    """Compare a head with a table: the request line, and each header with its order and the form of its value."""
    line, *rest = head.splitlines()
    assert any(re.fullmatch(form, line) for form in request_lines()), line
    sent = [tuple(header.split(": ", 1)) for header in rest]
    expected = [row for row in rows if row.sent_with in circumstances]
    assert [name for name, _ in sent] == [row.name for row in expected]
    for row, (_, value) in zip(expected, sent, strict=True):
        assert re.fullmatch(row.values, value), (row, value)


@pytest.mark.waits
@pytest.mark.timeout(300)
@each(
    "says_the_page",
    [
        everything_would_be_seen,
        an_idle_start_sends_nothing_and_looks_nothing_up,
        nothing_is_sent_elsewhere,
        each_request_has_its_own_connection_to_the_license_server,
        through_a_proxy_only_the_proxy_is_connected_to,
        the_names_asked_for_are_those_of_the_table,
        a_name_in_the_hosts_file_reaches_no_name_server,
        the_handshake_is_that_of_the_table,
        the_headers_are_those_of_the_table,
        the_headers_to_the_proxy_are_those_of_the_table,
        only_an_encrypted_transmission_says_that_it_is,
    ],
)
def test_a_capture_of_the_process_agrees_with_the_page(captured: Capture, says_the_page: Any) -> None:  # noqa: ANN401 - each of the checks above
    says_the_page(captured)


@pytest.mark.waits
@pytest.mark.timeout(300)
def test_with_postgresql_nothing_else_is_sent_and_no_other_name_is_asked_for(
    postgresql_url: str, tmp_path: Path
) -> None:
    """Its library can look names up and open connections, too. Here it is given a socket of this machine."""
    if not make_url(postgresql_url).query.get("host"):
        pytest.skip("the PostgreSQL server of this run is reached over TCP, which the namespace has no way to")
    skip_without_namespaces()
    reaches = os.geteuid() != 0 or namespace.keeps_users()
    permitted(reaches, "the server of this run belongs to another user, whose files the namespace cannot reach")
    captured = capture(tmp_path, postgresql_url, "briefly")
    everything_would_be_seen(captured)
    an_idle_start_sends_nothing_and_looks_nothing_up(captured)
    sent = captured["transmission"]
    assert (sent["elsewhere"], sent["opened"], sent["questions"]) == ([], ["License Server"], [["A", VENDOR]])
    [head] = sent["requests"]
    agree(head, headers(), {"every request"})
