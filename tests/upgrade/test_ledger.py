"""Revision 0011 down again: what the schema before cannot hold is stored in its terms, and nothing is sent twice."""

from sqlalchemy import text

from telemetry_service.storage.migrate import migrate
from tests.support import migrations
from tests.support.lived_in import LivedIn

BEFORE = "0010"
LOGS = "telemetry_transmission_logs"
NEW_STATES = ("withdrawn", "awaiting_release", "exported", "held")


def waiting(url: str) -> list[int]:
    query = text(f"SELECT sequence FROM {LOGS} WHERE state <> 'success' ORDER BY sequence")  # noqa: S608 - our own
    with migrations.connected(url) as connection:
        return list(connection.execute(query).scalars())


def states(url: str) -> dict[int, tuple[str, str | None]]:
    with migrations.connected(url) as connection:
        rows = connection.execute(text(f"SELECT sequence, state, cause FROM {LOGS}"))  # noqa: S608 - our own
        return {row.sequence: (row.state, row.cause) for row in rows}


def give_new_states(url: str) -> list[int]:
    """Put a waiting transmission into each state that only this version has; return them in that order."""
    chosen = waiting(url)[: len(NEW_STATES)]
    with migrations.connected(url) as connection:
        for sequence, state in zip(chosen, NEW_STATES, strict=True):
            cause = "payload_changed" if state == "held" else None
            connection.execute(
                text(f"UPDATE {LOGS} SET state = :state, cause = :cause WHERE sequence = :sequence"),  # noqa: S608 - our own
                {"state": state, "cause": cause, "sequence": sequence},
            )
    return chosen


def test_what_only_this_version_knows_survives_a_downgrade_in_the_words_of_the_one_before(lived_in: LivedIn) -> None:
    url = lived_in.database_url
    migrate(url)
    withdrawn, waits, exported, changed = give_new_states(url)
    before = states(url)
    migrations.downgrade(url, BEFORE)
    after = states(url)
    assert withdrawn not in after, "it is never sent, and its period is one that is not reported"
    assert {after[waits], after[exported]} == {("held", None)}
    assert after[changed] == ("held", "payload_invalid")
    migrations.upgrade(url)
    assert states(url).keys() == before.keys() - {withdrawn}
