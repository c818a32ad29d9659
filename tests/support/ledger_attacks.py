"""Attacks on the ledger by someone who can write to the database, but has none of the keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, create_engine, delete, insert, select, update

from telemetry_service.storage import tables
from tests.support.ledger_lines import Signer, base64url, canonical, claims_of, sha256

LINES = tables.LedgerLineRow.__table__
HEAD = tables.LedgerHeadRow.__table__
KEYS = tables.LedgerKeyRow.__table__
EVIDENCE = tables.EvidenceRow.__table__
LOGS = tables.TelemetryTransmissionLog.__table__
SALTED = tables.LedgerSaltedValue.__table__
_ALL = (LINES, HEAD, KEYS, EVIDENCE, SALTED)
STRANGER = Signer(7)

Attack = Callable[["Tampering"], None]


@dataclass
class Tampering:
    """The tables of the ledger in somebody's hands. ``undo`` puts them back as they were."""

    url: str

    def __post_init__(self) -> None:
        """Remember what the tables hold."""
        self._engine = create_engine(self.url)
        with self._engine.connect() as connection:
            self._kept = {table: [row._asdict() for row in connection.execute(select(table))] for table in _ALL}

    def undo(self) -> None:
        """Put everything back."""
        with self._engine.begin() as connection:
            for table, rows in self._kept.items():
                connection.execute(delete(_table(table)))
                if rows:
                    connection.execute(insert(_table(table)), rows)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @property
    def lines(self) -> list[str]:
        """All lines, oldest first."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(LINES.c.line).order_by(LINES.c.seq)).scalars())

    def place_of(self, kind: str) -> int:
        """Return the number of the latest entry of a kind."""
        return max(seq for seq, line in enumerate(self.lines, 1) if claims_of(line)["kind"] == kind)

    def receipt_of(self, transmission_id: str) -> str | None:
        """Return the receipt in the row of a transmission."""
        asked = select(LOGS.c.receipt).where(LOGS.c.transmission_id == UUID(transmission_id))
        with self._engine.connect() as connection:
            receipt: str | None = connection.execute(asked).scalar_one()
        return receipt

    def give_receipt(self, transmission_id: str, receipt: str | None) -> None:
        """Put a receipt into the row of a transmission. ``undo`` does not take it back."""
        row = update(_table(LOGS)).where(LOGS.c.transmission_id == UUID(transmission_id))
        self.write(lambda connection: connection.execute(row.values(receipt=receipt)))

    def write(self, act: Callable[[Connection], Any]) -> None:
        """Change something."""
        with self._engine.begin() as connection:
            act(connection)

    def replace(self, lines: list[str], since: int = 1) -> None:
        """Put other lines in place of all from a number on, and move the head to their end."""

        def act(connection: Connection) -> None:
            rows = {row.seq: row._asdict() for row in connection.execute(select(LINES))}
            kept = [rows[seq]["line"] for seq in sorted(rows) if seq < since]
            connection.execute(delete(_table(LINES)).where(LINES.c.seq >= since))
            for seq, line in enumerate(lines, since):
                filed = rows.get(seq, rows[1])
                connection.execute(insert(_table(LINES)), {**filed, "seq": seq, "line": line})
            end = [*kept, *lines]
            connection.execute(update(_table(HEAD)).values(seq=len(end), sha256=sha256(end[-1])))

        self.write(act)


def _table(table: Any) -> Table:  # noqa: ANN401 - the declared type is a clause
    assert isinstance(table, Table)
    return table


def edit(seq: int, **members: object) -> Attack:
    """Change what an entry says, and keep its signature."""

    def act(tampering: Tampering) -> None:
        head, _, signature = tampering.lines[seq - 1].split(".")
        changed = base64url(canonical(claims_of(tampering.lines[seq - 1]) | members))
        line = f"{head}.{changed}.{signature}"
        tampering.write(lambda c: c.execute(update(_table(LINES)).where(LINES.c.seq == seq).values(line=line)))

    return act


def remove(seq: int) -> Attack:
    """Delete an entry."""
    return lambda tampering: tampering.write(lambda c: c.execute(delete(_table(LINES)).where(LINES.c.seq == seq)))


def insert_before(seq: int) -> Attack:
    """Put an entry under another key between two, and move the others on."""

    def act(tampering: Tampering) -> None:
        lines = tampering.lines
        tampering.replace([STRANGER.line(claims_of(lines[seq - 1])), *lines[seq - 1 :]], seq)

    return act


def swap(first: int, second: int) -> Attack:
    """Exchange the places of two entries."""

    def act(tampering: Tampering) -> None:
        lines = tampering.lines
        lines[first - 1], lines[second - 1] = lines[second - 1], lines[first - 1]
        tampering.replace(lines)

    return act


def rewrite(since: int) -> Attack:
    """Sign all entries from a number on with another key, as a whole ledger would be forged."""

    def act(tampering: Tampering) -> None:
        lines = tampering.lines[: since - 1]
        for line in tampering.lines[since - 1 :]:
            prev = sha256(lines[-1]) if lines else "0" * 64
            announced = {"public_key": STRANGER.text, "fingerprint": STRANGER.fingerprint} if since == 1 else {}
            said = claims_of(line)
            lines.append(STRANGER.line({**said, "prev": prev, **(announced if said["kind"] == "ledger_key" else {})}))
        tampering.replace(lines[since - 1 :], since)

    return act


def truncate(keep: int) -> Attack:
    """Delete the latest entries, and move the head back."""
    return lambda tampering: tampering.replace([], keep + 1)


def forget_the_end(tampering: Tampering) -> None:
    """Delete the latest entry, and forget the head."""
    remove(len(tampering.lines))(tampering)


def change_a_blob(tampering: Tampering) -> None:
    """Change the bytes of a payload as it was prepared."""
    digest = claims_of(tampering.lines[tampering.place_of("prepared") - 1])["prepared_sha256"]
    other = update(_table(EVIDENCE)).where(EVIDENCE.c.sha256 == digest).values(content=b'{"total_events":1}')
    tampering.write(lambda c: c.execute(other))


def change_a_name(tampering: Tampering) -> None:
    """Change whom an entry names."""
    tampering.write(lambda c: c.execute(update(_table(SALTED)).values(salted=b"s" * 32 + b"somebody else")))


def file_elsewhere(seq: int) -> Attack:
    """List an entry as another kind than it is."""
    other = update(_table(LINES)).where(LINES.c.seq == seq).values(kind="logout")
    return lambda tampering: tampering.write(lambda c: c.execute(other))


def replace_the_key(tampering: Tampering) -> None:
    """Forge the whole ledger, and put something in place of its keys."""
    rewrite(1)(tampering)
    tampering.write(lambda c: c.execute(update(_table(KEYS)).values(key_id=STRANGER.kid, sealed=b"forged")))
    tampering.write(lambda c: c.execute(update(_table(HEAD)).values(key_id=STRANGER.kid)))
