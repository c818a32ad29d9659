"""What somebody with access to the database, and without any key, may write into it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, create_engine, text

_TABLES = (
    "telemetry_transmission_logs",
    "telemetry_transmission_attempts",
    "evidence",
    "telemetry_ledger",
    "ledger_head",
    "ledger_keys",
    "ledger_verification",
    "telemetry_configuration",
    "installation",
    "license_posture",
    "announced_schemas",
)
LOGS, ATTEMPTS, EVIDENCE, LEDGER, HEAD, KEYS, VERDICT, *_ROWS = _TABLES
CONFIGURATION, INSTALLATION, LICENSE, ANNOUNCED = _ROWS
_OF_ACCEPTED = f"(SELECT transmission_id FROM {LOGS} WHERE state = 'success' ORDER BY sequence LIMIT 1)"


@dataclass(frozen=True, slots=True)
class Tampering:
    """A change of the database, and the code of a problem that a verification must find."""

    name: str
    change: Callable[[Connection], None]
    code: str
    in_drawer: bool = False
    """Whether it changes what the ledger says of the accepted transmission, so that its drawer says so at once."""


@contextmanager
def changed(database_url: str, *changes: Callable[[Connection], None]) -> Iterator[None]:
    """Change the database, and put everything back at the end."""
    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            for table in _TABLES:
                connection.execute(text(f"CREATE TABLE before_{table} AS SELECT * FROM {table}"))
            for change in changes:
                change(connection)
        yield
    finally:
        with engine.begin() as connection:
            for table in reversed(_TABLES):
                connection.execute(text(f"DELETE FROM {table}"))
            for table in _TABLES:
                connection.execute(text(f"INSERT INTO {table} SELECT * FROM before_{table}"))
                connection.execute(text(f"DROP TABLE before_{table}"))
        engine.dispose()


def run(*statements: str, **values: Any) -> Callable[[Connection], None]:  # noqa: ANN401 - whatever SQL takes
    """Return a change that runs statements."""

    def change(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement), values if ":" in statement else {})

    return change


def rewrite_history(connection: Connection) -> None:
    """Write over an accepted payload, with its number, its digests and its bytes, as if it had been sent in clear."""
    where = f"WHERE transmission_id = {_OF_ACCEPTED}"
    prepared = connection.execute(text(f"SELECT prepared_sha256 FROM {LOGS} {where}")).scalar_one()
    sent = connection.execute(text(f"SELECT payload_sha256 FROM {ATTEMPTS} {where}")).scalar_one()
    digests = {before: _rewrite(connection, before) for before in (prepared, sent)}
    named = {"prepared": digests[prepared], "sent": digests[sent]}
    connection.execute(text(f"UPDATE {LOGS} SET records_sent = 1, prepared_sha256 = :prepared {where}"), named)
    connection.execute(
        text(f"UPDATE {ATTEMPTS} SET payload_sha256 = :sent, body_sha256 = :sent, encrypted = false {where}"),
        named,
    )


def swap_waiting(connection: Connection) -> None:
    """Put another payload in the place of a waiting one, with its digest."""
    query = f"SELECT prepared_sha256 FROM {LOGS} WHERE state <> 'success' ORDER BY sequence DESC LIMIT 1"
    before = connection.execute(text(query)).scalar_one()
    after = {"before": before, "after": _rewrite(connection, before)}
    connection.execute(text(f"UPDATE {LOGS} SET prepared_sha256 = :after WHERE prepared_sha256 = :before"), after)


def _rewrite(connection: Connection, digest: str) -> str:
    query = text(f"SELECT content FROM {EVIDENCE} WHERE sha256 = :digest")
    content = bytes(connection.execute(query, {"digest": digest}).scalar_one())
    forged = content.replace(b'"policy_decision_count":', b'"policy_decision_count":7')
    assert forged != content
    values = {"forged": forged, "after": sha256(forged).hexdigest(), "digest": digest}
    connection.execute(
        text(f"UPDATE {EVIDENCE} SET content = :forged, sha256 = :after WHERE sha256 = :digest"),
        values,
    )
    return str(values["after"])


_PASTED_RECEIPT = (
    f"UPDATE {LOGS} SET state = 'success', cause = NULL, accepted_at = created_at, receipt ="
    f" (SELECT receipt FROM {LOGS} WHERE state = 'success' ORDER BY sequence LIMIT 1)"
    " WHERE state = 'rejected'"
)
_LINE = f"(SELECT seq FROM {LEDGER} WHERE transmission_id = {_OF_ACCEPTED} AND kind = 'answered')"

TAMPERINGS = (
    Tampering("an accepted payload is rewritten", rewrite_history, "row_changed", in_drawer=True),
    Tampering("a rejected one gets the receipt of another", run(_PASTED_RECEIPT), "state_changed"),
    Tampering(
        "an acceptance is dated back",
        run(f"UPDATE {LOGS} SET accepted_at = '2026-01-02 03:04:05' WHERE transmission_id = {_OF_ACCEPTED}"),
        "time_changed",
        in_drawer=True,
    ),
    Tampering(
        "what is not withdrawn says when it was",
        run(f"UPDATE {LOGS} SET withdrawn_at = accepted_at WHERE transmission_id = {_OF_ACCEPTED}"),
        "time_changed",
        in_drawer=True,
    ),
    Tampering(
        "a payload is prepared at another time",
        run(f"UPDATE {LOGS} SET created_at = '2026-01-02 03:04:05' WHERE transmission_id = {_OF_ACCEPTED}"),
        "time_changed",
        in_drawer=True,
    ),
    Tampering(
        "an attempt ends at another time",
        run(f"UPDATE {ATTEMPTS} SET finished_at = '2027-01-02 03:04:05' WHERE transmission_id = {_OF_ACCEPTED}"),
        "time_changed",
        in_drawer=True,
    ),
    Tampering(
        "something else has triggered it",
        run(f"UPDATE {LOGS} SET trigger = 'scheduled' WHERE transmission_id = {_OF_ACCEPTED}"),
        "row_changed",
        in_drawer=True,
    ),
    Tampering(
        "the latest attempt was at another time",
        run(f"UPDATE {LOGS} SET last_attempt_at = '2026-01-02 03:04:05' WHERE transmission_id = {_OF_ACCEPTED}"),
        "time_changed",
        in_drawer=True,
    ),
    Tampering(
        "there were more attempts",
        run(f"UPDATE {LOGS} SET attempts_made = attempts_made + 1 WHERE transmission_id = {_OF_ACCEPTED}"),
        "row_changed",
        in_drawer=True,
    ),
    Tampering(
        "an attempt has another size",
        run(f"UPDATE {ATTEMPTS} SET body_bytes = body_bytes + 1 WHERE transmission_id = {_OF_ACCEPTED}"),
        "attempt_changed",
        in_drawer=True,
    ),
    Tampering("a waiting payload is swapped", swap_waiting, "payload_changed"),
    Tampering(
        "an accepted one is deleted",
        run(*(f"DELETE FROM {table} WHERE transmission_id = {_OF_ACCEPTED}" for table in (EVIDENCE, ATTEMPTS, LOGS))),
        "transmission_missing",
    ),
    Tampering(
        "a receipt is not one",
        run(f"UPDATE {LOGS} SET receipt = 'x.y.\x7f' WHERE transmission_id = {_OF_ACCEPTED}"),
        "receipt_changed",
        in_drawer=True,
    ),
    Tampering(
        "kept bytes are no payload",
        run(f"UPDATE {EVIDENCE} SET content = :any WHERE transmission_id = {_OF_ACCEPTED}", any=b"\xff\x00{"),
        "payload_changed",
        in_drawer=True,
    ),
    Tampering(
        "kept bytes are gone",
        run(f"DELETE FROM {EVIDENCE} WHERE transmission_id = {_OF_ACCEPTED}"),
        "bytes_missing",
        in_drawer=True,
    ),
    Tampering(
        "an attempt is deleted",
        run(f"DELETE FROM {ATTEMPTS} WHERE transmission_id = {_OF_ACCEPTED}"),
        "attempt_changed",
        in_drawer=True,
    ),
    Tampering(
        "an entry is no signed line",
        run(f"UPDATE {LEDGER} SET line = 'no.line.\u00e9' WHERE seq = {_LINE}"),
        "malformed",
        in_drawer=True,
    ),
    Tampering("an entry is deleted", run(f"DELETE FROM {LEDGER} WHERE seq = 3"), "missing"),
    Tampering(
        "two entries change places",
        run(
            f"UPDATE {LEDGER} SET seq = -1 WHERE seq = 3",
            f"UPDATE {LEDGER} SET seq = 3 WHERE seq = 2",
            f"UPDATE {LEDGER} SET seq = 2 WHERE seq = -1",
        ),
        "order",
    ),
    Tampering(
        "the index says something else",
        run(f"UPDATE {LEDGER} SET kind = 'login', actor = 'person' WHERE seq = 2"),
        "index_changed",
    ),
    Tampering(
        "the ledger is cut short",
        run(f"DELETE FROM {LEDGER} WHERE seq > 4", f"UPDATE {HEAD} SET seq = 4"),
        "rolled_back",
    ),
    Tampering("the head is gone", run(f"DELETE FROM {HEAD}"), "head_changed"),
    Tampering("the keys are no keys", run(f"UPDATE {KEYS} SET sealed = :any", any=b"garbage"), "unknown_key"),
)
