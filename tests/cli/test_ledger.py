"""``ledger verify`` finds each attack, names the entry, and says what it could not check."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry_service.pipeline.stages.record import record
from tests.cli.conftest import CommandLine
from tests.support import ledger_attacks as by
from tests.support.databases import ON_BOTH
from tests.support.ledger_attacks import Tampering
from tests.support.ledger_lines import sha256
from tests.support.site import usage


def send(cli: CommandLine) -> str:
    service = cli.service()
    record(service.runtime, [[usage(7, 5, 4)]])
    service.runtime.database.close()
    sent = cli("send-now", "--json")
    assert sent.code == 0, sent
    return str(sent.json()["transmission_id"])


@pytest.fixture
def sent(connected: CommandLine) -> CommandLine:
    """An installation that has sent twice."""
    send(connected)
    send(connected)
    return connected


@pytest.fixture
def tampering(sent: CommandLine) -> Iterator[Tampering]:
    held = Tampering(sent.environment["TELEMETRY_DATABASE_URL"])
    yield held
    held.close()


def named(ended_json: dict[str, Any]) -> list[tuple[int | None, str]]:
    return [(problem["seq"], problem["code"]) for problem in ended_json["problems"]]


@ON_BOTH
def test_a_ledger_as_the_service_writes_it_is_verified(sent: CommandLine, tampering: Tampering) -> None:
    head = sha256(tampering.lines[-1])
    ended = sent("ledger", "verify", "--anchor", head, "--anchor", f"2:{sha256(tampering.lines[1])}")
    assert ended.code == 0, ended
    assert f"The last entry is {len(tampering.lines)}, and the digest of its line is {head}." in ended.out
    assert f"Entries: {len(tampering.lines)}" in ended.out
    assert "Receipts verified: 2" in ended.out
    assert "Anchors met: 2" in ended.out
    assert "Verified at " in ended.out
    assert "without an anchor" not in ended.out
    assert "NOT VERIFIED" not in ended.out


@ON_BOTH
def test_each_attack_is_found_and_the_entry_named(sent: CommandLine, tampering: Tampering) -> None:
    last, answered, prepared = (
        len(tampering.lines),
        tampering.place_of("answered"),
        tampering.place_of("prepared"),
    )
    attacks: dict[str, tuple[by.Attack, int | None, str]] = {
        "an edited entry": (by.edit(prepared, records=1), prepared, "signature"),
        "an edited state": (by.edit(answered, state="rejected"), answered, "signature"),
        "a forged receipt": (by.edit(answered, receipt="e30.e30.AAAA"), answered, "signature"),
        "an edited last entry": (by.edit(last, kind="tick"), last, "signature"),
        "a deleted entry": (by.remove(prepared), prepared, "missing"),
        "a deleted first entry": (by.remove(1), 1, "missing"),
        "a deleted last entry": (by.forget_the_end, None, "head_changed"),
        "an inserted entry": (by.insert_before(prepared), prepared, "unknown_key"),
        "two entries exchanged": (by.swap(prepared, answered), prepared, "order"),
        "a rewrite since an entry": (by.rewrite(prepared), prepared, "unknown_key"),
        "a rewrite of all": (by.rewrite(1), 1, "unknown_key"),
        "a rewrite with its key": (by.replace_the_key, 1, "unknown_key"),
        "a changed payload": (by.change_a_blob, prepared, "evidence_changed"),
        "a changed name": (by.change_a_name, prepared, "evidence_changed"),
        "an entry that is filed elsewhere": (by.file_elsewhere(prepared), prepared, "index_changed"),
    }
    for attack, (act, seq, code) in attacks.items():
        act(tampering)
        ended = sent("ledger", "verify", "--json")
        assert ended.code == 7, attack
        assert (seq, code) in named(ended.json()), (attack, named(ended.json()))
        printed = sent("ledger", "verify")
        assert (printed.code, f"({code})" in printed.out) == (7, True), attack
        tampering.undo()
    assert sent("ledger", "verify").code == 0


@ON_BOTH
def test_the_doctor_says_what_was_found_with_an_exit_code_of_its_own(sent: CommandLine, tampering: Tampering) -> None:
    prepared = tampering.place_of("prepared")
    by.edit(prepared, records=1)(tampering)
    ended = sent("doctor", "--offline", "--json")
    (found,) = [it for it in ended.json() if it["check"] == "ledger"]
    assert (ended.code, found["result"], found["exit_code"]) == (7, "wrong", 7)
    assert f"Entry {prepared}" in found["sentence"]
    tampering.undo()
    assert sent("doctor", "--offline").code == 0


@ON_BOTH
def test_a_receipt_that_is_pasted_or_forged_is_found_and_the_transmission_named(
    sent: CommandLine, tampering: Tampering
) -> None:
    newest, other = sent("history", "--json").json()["transmissions"]
    for forged in (tampering.receipt_of(other["transmission_id"]), "e30.e30.AAAA", None):
        tampering.give_receipt(newest["transmission_id"], forged)
        ended = sent("ledger", "verify", "--json")
        assert ended.code == 7, forged
        found = [(problem["code"], problem["transmission_id"]) for problem in ended.json()["problems"]]
        assert found == [("receipt_changed", newest["transmission_id"])]
        assert newest["transmission_id"] in sent("ledger", "verify").out


@ON_BOTH
def test_truncation_needs_an_anchor_and_the_output_says_so(sent: CommandLine, tampering: Tampering) -> None:
    for name in ("one", "two", "three"):
        assert sent("token", "create", name, "--scope", "read").code == 0
    last = len(tampering.lines)
    anchor = sha256(tampering.lines[-1])
    by.truncate(last - 3)(tampering)
    without = sent("ledger", "verify")
    assert without.code == 0
    assert "cannot be found without an anchor" in without.out
    for given in (anchor, f"{last}:{anchor}"):
        ended = sent("ledger", "verify", "--anchor", given, "--json")
        assert ended.code == 7
        assert [code for _seq, code in named(ended.json())] == ["rolled_back"]


@ON_BOTH
def test_an_old_backup_needs_an_anchor(sent: CommandLine, tampering: Tampering) -> None:
    assert sent("token", "create", "newer", "--scope", "admin").code == 0
    line = sent("ledger", "verify", "--json").json()["head"]
    tampering.undo()
    assert sent("ledger", "verify").code == 0
    ended = sent("ledger", "verify", "--anchor", f"{line['seq']}:{line['sha256']}")
    assert ended.code == 7
    assert "was truncated or rolled back" in ended.out


def test_an_anchor_of_another_form_is_wrong_usage(sent: CommandLine) -> None:
    for wrong in ("f" * 63, "F" * 64, "x:" + "f" * 64, ""):
        ended = sent("ledger", "verify", "--anchor", wrong)
        assert (ended.code, "an anchor is HASH or SEQ:HASH" in ended.err) == (2, True), wrong


def test_the_export_is_written_once_and_noted(sent: CommandLine, tampering: Tampering, tmp_path: Path) -> None:
    ended = sent("ledger", "export", "ledger.zip")
    assert ended.code == 0, ended.err
    assert (tmp_path / "ledger.zip").stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(tmp_path / "ledger.zip") as export:
        lines = export.read("lines.txt").decode().splitlines()
        keys = json.loads(export.read("keys.json"))
        assert {"README.txt", "verify_ledger.py"} < set(export.namelist())
    assert lines == tampering.lines
    assert tampering.place_of("exported") == len(lines)
    assert keys["ledger_key"]["fingerprint"] == sent("ledger", "key", "--json").json()["present"]["fingerprint"]
    again = sent("ledger", "export", "ledger.zip")
    assert again.code == 1
    assert "exists already" in again.err
    assert "(file-refused)" in again.err


def test_a_new_key_is_announced_by_the_old_one(sent: CommandLine) -> None:
    before = sent("ledger", "key", "--json").json()
    assert before["earlier"] == []
    assert sent("ledger", "rotate-key").code == 0
    after = sent("ledger", "key", "--json").json()
    assert after["earlier"] == [before["present"]]
    assert after["present"]["fingerprint"] != before["present"]["fingerprint"]
    assert sent("ledger", "verify").code == 0
    printed = sent("ledger", "key").out
    assert printed.splitlines()[0] == f"Present key {after['present']['key_id']}"
    assert before["present"]["public_key"] in printed


def test_a_proof_is_noted(sent: CommandLine, tampering: Tampering) -> None:
    identity = sent("history", "--json").json()["transmissions"][0]["transmission_id"]
    assert sent("prove", identity, "--folder", "proof").code == 0
    assert tampering.place_of("proved") == len(tampering.lines)
