"""Whatever somebody writes into a row, a command says what it can, and never fails in a way that was not foreseen."""

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support.rubbish import Database, Rubbish, rubbish

COMMANDS = (("history",), ("preview",), ("doctor", "--offline"), ("prove",))
FORESEEN = {0, 4, 5, 6, 7}
"""Everything is fine; the database, the connection or the settings are not; something is not as it was signed."""

_HAS_NO_ID = ("telemetry_transmission_logs", "transmission_id")
"""Whatever stands here, no row has the ID that ``prove`` is asked for: not found, which is 1."""


@pytest.mark.timeout(300)
def test_no_command_fails_for_what_a_row_holds(connected: CommandLine) -> None:
    sent = connected("send-now", "--json").json()["transmission_id"]
    database = Database(connected.environment["TELEMETRY_DATABASE_URL"])
    failed = []
    for turn, it in enumerate(each_sixth()):
        database.write(it)
        command = COMMANDS[turn % len(COMMANDS)]
        ended = connected(*command, *([sent, "--folder", f"proof-{turn}"] if command == ("prove",) else []))
        foreseen = FORESEEN | ({1} if (it.table, it.column) == _HAS_NO_ID else set())
        if ended.code not in foreseen or "internal" in ended.err:
            failed.append(f"{it}: {command}: {ended}")
        database.restore()
    database.close()
    assert failed == [], "\n".join(failed)


def test_a_proof_without_the_row_of_the_attempt_says_that_it_is_not_as_it_was_signed(connected: CommandLine) -> None:
    sent = connected("send-now", "--json").json()["transmission_id"]
    database = Database(connected.environment["TELEMETRY_DATABASE_URL"])
    database.write(Rubbish("telemetry_transmission_attempts", "transmission_id", "x'ff00'"))
    database.close()
    ended = connected("prove", sent, "--folder", "proof")
    assert (ended.code, ended.err) == (7, "")
    assert "NOT VERIFIED. " in ended.out
    assert "This transmission has no such attempt. Nothing was written." in ended.out
    assert not Path("proof").exists()


def each_sixth() -> list[Rubbish]:
    """Return every sixth value of the walk, which the web takes in full."""
    return list(rubbish())[::6]
