"""The verifier of the ledger finds each attack, names the entry, and says what it could not check."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.sealing.verify_ledger import Report, Verifier, verify
from tests.support.each import each
from tests.support.ledger_lines import (
    Ledger,
    Signer,
    base64url,
    canonical,
    claims_of,
    receipt_claims,
    sha256,
)

KEY, NEW, NEWEST, STRANGER, VENDOR = map(Signer, range(5))
FIRST, SECOND = "0193b2f6-7a00-7000-8000-0000000000a1", "0193b2f6-7a00-7000-8000-0000000000a2"


def check(ledger: Ledger, *trusted: Signer, **options: Any) -> Report:  # noqa: ANN401 - as the verifier takes them
    keys = [signer.public for signer in trusted or (KEY,)]
    options = {"evidence": ledger.evidence.get, "checkpoint": ledger.checkpoint} | options
    return verify(ledger.lines, Verifier(keys, **options))


def found(report: Report) -> list[tuple[int | None, str]]:
    return [(problem.seq, problem.code) for problem in report.problems]


def small() -> Ledger:
    """Return entries 1: key, 2 to 4: a transmission, 5: a login, 6 to 8: a transmission."""
    ledger = Ledger.begun(KEY)
    ledger.send(FIRST, VENDOR, body=b"sealed once")
    ledger.write("login", actor={"type": "person", "id": ledger.salted("maria")}, source=ledger.salted("192.0.2.1"))
    ledger.send(SECOND, VENDOR, count=8)
    return ledger


def test_a_ledger_as_the_service_writes_it_is_verified() -> None:
    ledger = small()
    report = check(ledger, vendor_keys=[VENDOR.public], anchors=[sha256(ledger.lines[2]), f"8:{ledger.head[1]}"])
    assert found(report) == []
    assert report.head == ledger.head
    assert report.notes == []
    assert dict(report.counts) == {
        "entries": 8,
        "migrated": 0,
        "evidence checked": 10,
        "receipts verified": 2,
        "anchors met": 2,
    }


# Attacks on lines.


def test_an_edited_entry_is_named() -> None:
    ledger = small()
    ledger.change(4, state="rejected")
    assert found(check(ledger)) == [(4, "signature")]


def test_an_edited_last_entry_is_named() -> None:
    ledger = small()
    ledger.change(8, state="rejected")
    assert found(check(ledger)) == [(8, "signature")]


def test_a_deleted_entry_is_named() -> None:
    ledger = small()
    del ledger.lines[4]
    assert found(check(ledger)) == [(5, "missing")]


def test_a_deleted_first_entry_is_named() -> None:
    ledger = small()
    del ledger.lines[0]
    assert found(check(ledger)) == [(1, "missing")]


def test_an_inserted_entry_is_named() -> None:
    ledger = small()
    ledger.lines.insert(4, STRANGER.line(claims_of(ledger.lines[4])))
    report = check(ledger)
    assert found(report) == [(5, "unknown_key")]
    assert STRANGER.kid in report.problems[0].sentence


def test_an_entry_that_stands_twice_is_named() -> None:
    ledger = small()
    ledger.lines.insert(5, ledger.lines[4])
    assert found(check(ledger)) == [(5, "order")]


def test_entries_in_another_order_are_named() -> None:
    ledger = small()
    ledger.lines[4], ledger.lines[5] = ledger.lines[5], ledger.lines[4]
    assert found(check(ledger)) == [(5, "missing"), (5, "order")]


def test_an_attempt_that_stands_twice_is_one_problem() -> None:
    ledger = small()
    ledger.lines.insert(3, ledger.lines[2])
    assert found(check(ledger)) == [(3, "order")]


def test_an_entry_from_another_ledger_under_the_same_key_is_named() -> None:
    ledger, other = small(), small()
    other.lines = other.lines[:3]
    other.answer(FIRST, state="rejected")
    ledger.lines[3] = other.lines[3]
    report = check(ledger)
    assert found(report) == [(5, "chain")]
    assert "another entry 4" in report.problems[0].sentence


def test_a_rewrite_under_another_key_names_its_first_entry() -> None:
    ledger = Ledger.begun(STRANGER)
    ledger.send(FIRST)
    assert found(check(ledger)) == [(1, "unknown_key")]


def test_a_rewrite_from_some_entry_on_names_that_entry_once() -> None:
    ledger = small()
    ledger.lines, ledger.key = ledger.lines[:4], STRANGER
    ledger.send(SECOND)
    assert found(check(ledger)) == [(5, "unknown_key")]


def test_a_rewrite_that_claims_to_have_lost_the_key_is_not_believed() -> None:
    ledger = small()
    ledger.lines = ledger.lines[:4]
    ledger.lose(STRANGER)
    ledger.send(SECOND)
    assert found(check(ledger)) == [(5, "unknown_key")]


def test_a_rewrite_that_announces_the_true_key_is_not_believed() -> None:
    true, false = small(), Ledger.begun(STRANGER)
    true.key = KEY
    for _ in range(3):
        false.write("tick")
    false.rotate(KEY)
    false.lines += true.lines[5:]
    assert (1, "unknown_key") in found(check(false))
    assert (6, "chain") in found(check(false))


# Truncation and old backups.


def test_a_truncated_ledger_lacks_the_anchor() -> None:
    ledger = small()
    anchor = ledger.head[1]
    ledger.lines = ledger.lines[:6]
    report = check(ledger, anchors=[anchor])
    assert found(report) == [(None, "rolled_back")]
    assert found(check(ledger, anchors=[f"8:{anchor}"])) == [(8, "rolled_back")]
    assert "truncated or rolled back" in report.problems[0].sentence


def test_an_old_backup_that_has_gone_on_lacks_the_anchor() -> None:
    ledger = small()
    anchor = f"8:{ledger.head[1]}"
    ledger.lines = ledger.lines[:5]
    for count in range(5):
        ledger.write("tick", count=count)
    assert found(check(ledger, anchors=[anchor])) == [(8, "rolled_back")]


def test_truncation_is_not_noticed_without_an_anchor() -> None:
    ledger = small()
    ledger.lines = ledger.lines[:5]
    assert found(check(ledger)) == []


def test_nothing_at_all_is_not_a_ledger() -> None:
    assert found(check(Ledger(KEY))) == [(None, "empty")]


@each("text", ["", "AB" * 32, "ab" * 31, "x:" + "ab" * 32, "ab" * 32 + "\n"])
def test_what_is_not_an_anchor_is_an_error_of_the_caller(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        check(small(), anchors=[text])


# Keys.


def rotated() -> Ledger:
    """Return entries 1 to 4 under the first key, 5 that announces the next, 6 to 8 under that one."""
    ledger = Ledger.begun(KEY)
    ledger.send(FIRST)
    ledger.rotate(NEW)
    ledger.send(SECOND)
    return ledger


@each("trusted", [(KEY,), (NEW,), (KEY, NEW)])
def test_a_rotated_key_needs_only_one_of_both(trusted: tuple[Signer, ...]) -> None:
    assert found(check(rotated(), *trusted)) == []


@each("trusted", [(KEY,), (NEW,), (NEWEST,)])
def test_two_rotations_need_only_one_of_the_keys(trusted: tuple[Signer, ...]) -> None:
    ledger = rotated()
    ledger.rotate(NEWEST)
    ledger.write("tick")
    assert found(check(ledger, *trusted)) == []


def test_the_new_key_vouches_for_what_it_follows_only_once_it_has_signed() -> None:
    ledger = rotated()
    ledger.lines = ledger.lines[:5]
    assert found(check(ledger, NEW)) == [(1, "unknown_key")]
    assert found(check(ledger, KEY)) == []


def test_the_new_key_does_not_vouch_for_entries_before_a_gap() -> None:
    ledger = rotated()
    del ledger.lines[2]
    assert found(check(ledger, NEW)) == [(3, "missing"), (1, "unknown_key"), (4, "no_attempt")]


def test_the_old_key_signs_nothing_after_the_new_one_was_announced() -> None:
    ledger = rotated()
    ledger.key = KEY
    ledger.write("tick")
    ledger.write("tick")
    assert found(check(ledger)) == [(9, "key_order")]


def test_a_key_that_was_not_announced_does_not_sign_even_if_it_is_given() -> None:
    ledger = small()
    ledger.key = NEW
    ledger.write("tick")
    assert found(check(ledger, KEY, NEW)) == [(9, "key_order")]


def test_a_gap_takes_the_proof_from_what_is_before_it_once() -> None:
    ledger = rotated()
    del ledger.lines[3]
    del ledger.lines[1]
    problems = found(check(ledger, NEW))
    assert [problem for problem in problems if problem[1] == "unknown_key"] == [(1, "unknown_key"), (3, "unknown_key")]


def test_the_old_key_does_not_come_back_as_if_the_new_one_was_lost() -> None:
    ledger = rotated()
    ledger.lose(KEY)
    assert found(check(ledger)) == [(9, "key_order")]


def test_the_old_key_is_not_announced_again() -> None:
    ledger = rotated()
    ledger.rotate(KEY)
    assert found(check(ledger)) == [(9, "key_order")]


def test_a_lost_key_that_is_given_proves_its_entries() -> None:
    ledger = small()
    ledger.lose(NEW)
    ledger.write("tick")
    assert found(check(ledger, KEY, NEW)) == []


def test_entries_under_a_lost_key_that_is_not_given_are_one_problem() -> None:
    ledger = small()
    ledger.lose(NEW)
    ledger.write("tick")
    report = check(ledger, NEW)
    assert found(report) == [(9, "key_lost")]
    assert KEY.kid in report.problems[0].sentence


def test_after_a_lost_key_the_new_one_must_be_given() -> None:
    ledger = small()
    ledger.lose(NEW)
    ledger.write("tick")
    assert found(check(ledger, KEY)) == [(9, "unknown_key")]


def test_a_lost_key_does_not_come_back() -> None:
    ledger = small()
    ledger.lose(NEW)
    ledger.lose(KEY)
    assert found(check(ledger, KEY, NEW)) == [(10, "key_order")]


def test_after_a_lost_key_each_part_is_a_problem_of_its_own() -> None:
    ledger = small()
    ledger.lose(NEW)
    assert found(check(ledger, STRANGER)) == [(9, "key_lost"), (9, "unknown_key")]


def test_the_report_names_the_keys_that_signed() -> None:
    assert check(rotated()).signers == {KEY.kid, NEW.kid}


def test_a_key_whose_fingerprint_is_that_of_another_is_not_announced() -> None:
    ledger = Ledger.begun(KEY)
    ledger.write("ledger_key", public_key=NEW.text, fingerprint=NEWEST.fingerprint, reason="rotated")
    assert found(check(ledger)) == [(2, "malformed")]


# Pruning, and runs that begin in the middle.


def test_a_pruned_ledger_begins_with_its_checkpoint() -> None:
    ledger = small()
    head, anchor = ledger.head, sha256(ledger.lines[5])
    ledger.prune(5)
    report = check(ledger, anchors=[f"6:{anchor}"])
    assert found(report) == []
    assert (report.head, report.counts["entries"], report.counts["anchors met"]) == (head, 4, 1)


@each("trusted", [(KEY,), (NEW,)])
@each("seq", [3, 5, 6, 8])
def test_a_ledger_pruned_around_a_rotation_needs_only_one_of_both_keys(trusted: tuple[Signer, ...], seq: int) -> None:
    ledger = rotated()
    ledger.prune(seq)
    assert found(check(ledger, *trusted)) == []


def test_what_is_missing_after_the_checkpoint_is_named() -> None:
    ledger = small()
    ledger.prune(5)
    del ledger.lines[1]
    assert found(check(ledger)) == [(6, "missing")]


def test_only_entries_about_keys_outlive_the_pruning() -> None:
    ledger = small()
    old = ledger.lines[1]
    ledger.prune(5)
    ledger.lines.insert(1, old)
    assert found(check(ledger)) == [(2, "order")]


def test_a_checkpoint_needs_a_right_signature() -> None:
    ledger = small()
    ledger.prune(5)
    head, body, _ = str(ledger.checkpoint).split(".")
    ledger.checkpoint = f"{head}.{body}.{ledger.lines[0].split('.')[2]}"
    assert found(check(ledger)) == [(None, "checkpoint")]


def test_entries_before_the_first_one_are_missing_without_a_checkpoint() -> None:
    ledger = small()
    ledger.prune(5)
    ledger.checkpoint = None
    assert (2, "missing") in found(check(ledger))


@each("signer", [STRANGER, KEY])
def test_a_checkpoint_counts_only_under_a_key_that_signs_what_follows(signer: Signer) -> None:
    ledger = rotated()
    ledger.prune(7)
    claims = claims_of(str(ledger.checkpoint))
    ledger.checkpoint = signer.line(claims)
    assert found(check(ledger, KEY, NEW)) == [(None, "checkpoint")]


@each(
    "claims",
    [
        {"kind": "tick"},
        {"seq": True},
        {"seq": "5"},
        {"sha256": 5},
        {"sha256": "ab"},
    ],
)
def test_what_is_not_a_checkpoint_is_not_taken_as_one(claims: dict[str, object]) -> None:
    ledger = small()
    ledger.prune(5)
    ledger.checkpoint = KEY.line(claims_of(str(ledger.checkpoint)) | claims)
    assert (None, "checkpoint") in found(check(ledger))


def test_an_anchor_from_before_the_checkpoint_is_said_to_be_unchecked() -> None:
    ledger = small()
    anchors = [f"{seq}:{sha256(ledger.lines[seq - 1])}" for seq in (3, 5)]
    ledger.prune(5)
    report = check(ledger, anchors=anchors)
    assert found(report) == []
    assert [(note.seq, note.code) for note in report.notes] == [(3, "anchor")]
    assert report.counts["anchors met"] == 1


def test_an_anchor_that_the_checkpoint_contradicts_is_a_rollback() -> None:
    ledger = small()
    ledger.prune(5)
    report = check(ledger, anchors=["5:" + "ab" * 32, "7:" + "cd" * 32])
    assert found(report) == [(5, "rolled_back"), (7, "rolled_back")]
    assert report.notes == []
    assert "(Only entries after 5 were searched.)" in report.problems[0].sentence


def test_a_later_run_continues_where_the_earlier_one_ended() -> None:
    ledger = small()
    place = (4, sha256(ledger.lines[3]))
    ledger.lines = ledger.lines[4:]
    assert found(check(ledger, after=place)) == []
    assert found(check(ledger, after=(4, "ab" * 32))) == [(5, "chain")]
    assert found(check(ledger, after=(3, place[1]))) == [(4, "missing")]


def test_a_run_that_begins_in_the_middle_of_a_transmission_checks_what_it_can() -> None:
    ledger = small()
    place = (3, sha256(ledger.lines[2]))
    ledger.lines = ledger.lines[3:]
    report = check(ledger, after=place, vendor_keys=[VENDOR.public])
    assert found(report) == []
    assert (report.counts["receipts verified"], report.counts["receipts not checked"]) == (1, 1)


def test_a_run_that_begins_after_something_was_prepared_accepts_its_replacement() -> None:
    ledger = Ledger.begun(KEY)
    old = ledger.prepare(FIRST, 1)
    place, ledger_lines = ledger.head, len(ledger.lines)
    ledger.prepare(FIRST, 2, replaces=sha256(old))
    ledger.lines = ledger.lines[ledger_lines:]
    assert found(check(ledger, after=place)) == []


def test_a_run_with_nothing_new_is_no_problem() -> None:
    ledger = small()
    head, ledger.lines = ledger.head, []
    assert found(check(ledger, after=head)) == []


def test_a_report_may_be_read_before_the_last_line() -> None:
    ledger = small()
    verifier = Verifier([KEY.public], evidence=ledger.evidence.get, anchors=[ledger.head[1]])
    for line in ledger.lines[:5]:
        verifier.take(line)
    assert found(verifier.finish()) == [(None, "rolled_back")]
    for line in ledger.lines[5:]:
        verifier.take(line)
    assert found(verifier.finish()) == []


def test_the_entries_of_one_transmission_are_verified_alone() -> None:
    ledger = rotated()
    ledger.lines = ledger.lines[1:4]
    assert found(check(ledger, KEY, NEW, excerpt=True)) == []
    ledger.lines = [ledger.lines[0], ledger.lines[2], rotated().lines[6]]
    assert found(check(ledger, KEY, NEW, excerpt=True)) == []
    ledger.lines = ledger.lines[:2]
    assert found(check(ledger, NEW, excerpt=True)) == [(1, "unknown_key"), (None, "empty")]


def test_an_entry_of_an_excerpt_is_named_by_the_number_that_the_caller_gives() -> None:
    ledger = small()
    ledger.change(7, number=2)
    verifier = Verifier([KEY.public], evidence=ledger.evidence.get, excerpt=True)
    for seq, line in ((6, ledger.lines[5]), (7, ledger.lines[6]), (5, ledger.lines[7])):
        verifier.take(line, seq)
    assert found(verifier.finish()) == [(7, "signature"), (5, "order")]


# Evidence.


@each("name", ["prepared_sha256", "payload_sha256", "body_sha256", "schema_sha256"])
def test_changed_evidence_names_the_entry(name: str) -> None:
    ledger = Ledger.begun(KEY)
    ledger.send(FIRST, body=b"sealed")
    seq, digest = next((n, claims_of(line)[name]) for n, line in enumerate(ledger.lines, 1) if name in claims_of(line))
    ledger.evidence[digest] += b" "
    report = check(ledger)
    assert found(report) == [(seq, "evidence_changed")]
    assert digest in report.problems[0].sentence


def test_a_changed_salted_value_names_the_entry() -> None:
    ledger = small()
    ledger.evidence[claims_of(ledger.lines[4])["actor"]["id"]["salted"]] = b"0" * 32 + b"someone else"
    assert found(check(ledger)) == [(5, "evidence_changed")]


def test_purged_evidence_counts_as_purged_and_not_as_checked() -> None:
    ledger = small()
    ledger.evidence.clear()
    report = check(ledger)
    assert found(report) == []
    assert (report.counts["evidence purged"], report.counts["evidence checked"]) == (8, 0)
    assert report.counts["evidence purged or withheld"] == 2


@each("digest", [5, "ab", "../../../../etc/passwd", "AB" * 32, ["ab" * 32], True])
def test_what_is_not_a_digest_is_never_asked_for(digest: object) -> None:
    ledger = Ledger.begun(KEY)
    ledger.write("tick", deep=[{"body_sha256": digest}])
    asked: list[str] = []
    assert found(check(ledger, evidence=asked.append)) == [(2, "malformed")]
    assert asked == []


# What the entries of a transmission say together.


def test_a_payload_that_was_not_prepared_is_named() -> None:
    ledger = Ledger.begun(KEY)
    ledger.prepare(FIRST)
    ledger.attempt(FIRST, canonical({"count": 8, "instance": "i-1", "zone": "eu"}))
    report = check(ledger)
    assert found(report) == [(3, "payload_changed")]
    ledger.evidence = {digest: kept for digest, kept in ledger.evidence.items() if b"8" not in kept}
    assert found(check(ledger)) == []


@each(
    "payload",
    [{"zone": "eu"}, {"alpha": 1}, {"alpha": 1, "zone": {"transmitted_at": "x"}}, {"transmitted_by": 1}, {"ü": "ß\n"}],
)
def test_transmitted_at_may_be_added_anywhere(payload: dict[str, object]) -> None:
    ledger = Ledger.begun(KEY)
    prepared = canonical(payload)
    ledger.write("prepared", transmission_id=FIRST, prepared_sha256=ledger.keep(prepared), schema_sha256=None)
    ledger.attempt(FIRST, prepared)
    report = check(ledger)
    assert found(report) == []
    assert report.counts["evidence checked"] == 3


def test_an_unencrypted_body_is_the_payload() -> None:
    ledger = Ledger.begun(KEY)
    ledger.attempt(FIRST, ledger.prepare(FIRST), body=b"other", encrypted=False)
    assert found(check(ledger)) == [(3, "payload_changed")]


def test_an_attempt_needs_something_prepared() -> None:
    ledger = Ledger.begun(KEY)
    ledger.attempt(FIRST, b"{}")
    assert found(check(ledger)) == [(2, "not_prepared")]


def test_a_second_payload_must_replace_the_first() -> None:
    ledger = Ledger.begun(KEY)
    first = sha256(ledger.prepare(FIRST, 1))
    second = sha256(ledger.prepare(FIRST, 2, replaces=first))
    assert found(check(ledger)) == []
    ledger.prepare(FIRST, 3, replaces=first)
    ledger.prepare(FIRST, 4)
    ledger.prepare(SECOND, 5, replaces=second)
    assert found(check(ledger)) == [(4, "prepared_twice"), (5, "prepared_twice"), (6, "prepared_twice")]


def test_the_replaced_payload_is_not_sent() -> None:
    ledger = Ledger.begun(KEY)
    old = ledger.prepare(FIRST, 1)
    new = ledger.prepare(FIRST, 2, replaces=sha256(old))
    ledger.attempt(FIRST, new)
    ledger.attempt(FIRST, old, number=2)
    assert found(check(ledger)) == [(5, "payload_changed")]


def test_attempts_are_numbered_upward() -> None:
    ledger = Ledger.begun(KEY)
    payload = ledger.prepare(FIRST)
    for number in (1, 3, 3, 2):
        ledger.attempt(FIRST, payload, number)
    assert found(check(ledger)) == [(5, "attempt_order"), (6, "attempt_order")]


def test_a_response_belongs_to_an_attempt() -> None:
    ledger = Ledger.begun(KEY)
    ledger.attempt(FIRST, ledger.prepare(FIRST))
    ledger.answer(FIRST, number=2, state="retrying")
    ledger.answer(SECOND, state="retrying")
    assert found(check(ledger)) == [(4, "no_attempt"), (5, "not_prepared")]


def test_nothing_is_sent_after_the_end() -> None:
    ledger = small()
    ledger.attempt(FIRST, ledger.prepare(FIRST), number=2)
    ledger.answer(FIRST, number=2)
    assert found(check(ledger)) == [(9, "prepared_twice"), (10, "not_prepared")]
    withdrawn = Ledger.begun(KEY)
    withdrawn.prepare(FIRST)
    withdrawn.write("withdrawn", transmission_id=FIRST, reason="objection")
    withdrawn.attempt(FIRST, b"{}")
    assert found(check(withdrawn)) == [(4, "not_prepared")]


def test_a_late_response_after_the_end_is_no_problem() -> None:
    ledger = Ledger.begun(KEY)
    payload = ledger.prepare(FIRST)
    sent = [ledger.attempt(FIRST, payload, number) for number in (1, 2)]
    ledger.answer(FIRST, 2, receipt=VENDOR.receipt(receipt_claims(FIRST, sent[1])))
    ledger.answer(FIRST, 1, receipt=VENDOR.receipt(receipt_claims(FIRST, sent[0])))
    report = check(ledger, vendor_keys=[VENDOR.public])
    assert found(report) == []
    assert (report.counts["receipts verified"], report.counts["receipts not checked"]) == (1, 1)


def test_what_an_older_version_left_counts_as_not_proved() -> None:
    ledger = Ledger.begun(KEY)
    waiting = canonical({"count": 7, "zone": "eu"})
    members = {"of": "transmission", "prepared_sha256": ledger.keep(waiting), "state": "held"}
    ledger.write("migrated", transmission_id=FIRST, **members)
    ledger.write("migrated", of="activity", event="login")
    ledger.attempt(FIRST, waiting, number=4)
    ledger.answer(FIRST, number=4)
    report = check(ledger)
    assert found(report) == []
    assert report.counts["migrated"] == 2
    ledger.evidence[sha256(waiting)] = b"other"
    assert found(check(ledger)) == [(2, "evidence_changed")]


def test_what_an_older_version_left_is_replaced_by_name() -> None:
    ledger = Ledger.begun(KEY)
    old = ledger.keep(b'{"count":7}')
    ledger.write("migrated", of="transmission", transmission_id=FIRST, prepared_sha256=old, state="held")
    ledger.prepare(FIRST, 8)
    assert found(check(ledger)) == [(3, "prepared_twice")]


@each("members", [{}, {"transmission_id": ["x"]}, {"transmission_id": FIRST, "number": "1"}])
@each("kind", ["prepared", "attempt", "answered", "withdrawn"])
def test_an_entry_without_what_its_kind_needs_is_named(kind: str, members: dict[str, object]) -> None:
    ledger = Ledger.begun(KEY)
    ledger.write(kind, **members)
    assert found(check(ledger))[0][0] == 2


# Receipts.


def answered(receipt: str | None) -> Ledger:
    """Return a ledger whose entry 4 has a receipt."""
    ledger = Ledger.begun(KEY)
    ledger.attempt(FIRST, ledger.prepare(FIRST))
    ledger.answer(FIRST, receipt=receipt)
    return ledger


def sent_digest() -> str:
    digest: str = claims_of(answered(None).lines[2])["payload_sha256"]
    return digest


def test_a_pasted_receipt_is_named() -> None:
    receipt = VENDOR.receipt(receipt_claims(SECOND, sent_digest()))
    for vendors in ([], [VENDOR.public]):
        assert found(check(answered(receipt), vendor_keys=vendors)) == [(4, "receipt")]


def test_a_receipt_in_a_changed_entry_is_named() -> None:
    ledger = answered(VENDOR.receipt(receipt_claims(FIRST, sent_digest())))
    ledger.change(4, receipt=VENDOR.receipt(receipt_claims(FIRST, "ab" * 32)))
    assert found(check(ledger, vendor_keys=[VENDOR.public])) == [(4, "signature")]


@each(
    "receipt",
    [
        STRANGER.receipt(receipt_claims(FIRST, sent_digest())),
        VENDOR.receipt(receipt_claims(FIRST, "ab" * 32)),
        VENDOR.receipt(receipt_claims(FIRST, sent_digest()), crit=["exp"]),
        VENDOR.receipt(receipt_claims(FIRST, sent_digest()), alg="none"),
        VENDOR.receipt(receipt_claims(FIRST, sent_digest()) | {"received_at": 7}),
        VENDOR.jws(b'{"alg":"EdDSA"}', b"[]"),
        VENDOR.jws(b'{"alg":"EdDSA","alg":"EdDSA"}', canonical(receipt_claims(FIRST, sent_digest()))),
        VENDOR.jws(b'{"alg":"EdDSA"}', b"[" * 50_000),
        VENDOR.receipt(receipt_claims(FIRST, sent_digest())) + "=",
        "",
        "a.b.c",
    ],
)
def test_a_receipt_that_is_not_verified_is_counted_and_listed(receipt: str) -> None:
    report = check(answered(receipt), vendor_keys=[VENDOR.public])
    assert found(report) == []
    assert [(note.seq, note.code) for note in report.notes] == [(4, "receipt")]
    assert (report.counts["receipts not verified"], report.counts["receipts verified"]) == (1, 0)


def test_a_receipt_is_verified_with_any_of_the_keys() -> None:
    ledger = answered(VENDOR.receipt(receipt_claims(FIRST, sent_digest()) | {"ledger": "ab" * 32}, alg="Ed25519"))
    report = check(ledger, vendor_keys=[STRANGER.public, VENDOR.public])
    assert (report.counts["receipts verified"], report.notes) == (1, [])


def test_a_receipt_is_not_checked_without_a_key() -> None:
    report = check(answered(VENDOR.receipt(receipt_claims(FIRST, sent_digest()))))
    assert (report.counts["receipts not checked"], report.notes) == (1, [])


# Captured bodies.


def test_a_captured_body_that_was_not_recorded_is_named() -> None:
    ledger = Ledger.begun(KEY)
    ledger.send(FIRST, body=b"sealed")
    seen = {sha256(b"sealed"): "a.bin", sha256(b"secret"): "b.bin"}
    report = check(ledger, seen=seen)
    assert found(report) == [(None, "not_recorded")]
    assert "b.bin" in report.problems[0].sentence


# The form of a line.


def signed(claims: dict[str, object] | bytes, header: bytes | None = None) -> str:
    ours = canonical({"alg": "EdDSA", "kid": KEY.kid, "typ": "control-core-ledger"})
    return KEY.jws(ours if header is None else header, claims if isinstance(claims, bytes) else canonical(claims))


def second(**changes: object) -> dict[str, object]:
    """Return what a right second entry says, with changes."""
    ledger = Ledger.begun(KEY)
    ledger.write("tick")
    return claims_of(ledger.lines[1]) | changes


def without(name: str) -> dict[str, object]:
    return {member: value for member, value in second().items() if member != name}


@each(
    "line",
    [
        "",
        "a.b",
        "....",
        "\ufffd",
        "ü" * 100,
        "\n",
        "x" * (1 << 21),
        signed(second()) + " ",
        signed(second()) + "=",
        signed(second()).replace(".", ".."),
        signed(second(), b'{"alg":"none"}'),
        signed(second(), canonical({"alg": "EdDSA", "kid": KEY.kid, "typ": "JWT"})),
        signed(second(), canonical({"alg": "EdDSA", "crit": [], "kid": KEY.kid, "typ": "control-core-ledger"})),
        signed(second(), b'{"kid":"%b","alg":"EdDSA","typ":"control-core-ledger"}' % KEY.kid.encode()),
        signed(second(), b"[]"),
        signed(b" " + canonical(second())),
        signed(canonical(second())[:-1] + b',"zone":1,"zone":1}'),
        signed(canonical(second())[:-1] + b',"zone":1.0}'),
        signed(canonical(second())[:-1] + b',"zone":1.5}'),
        signed(canonical(second())[:-1] + b',"zone":NaN}'),
        signed(canonical(second())[:-1] + b',"zone":"\\u00fc"}'),
        signed(canonical(second())[:-1] + b',"zone":"\\ud800"}'),
        signed(canonical(second())[:-1] + b',"zone":"\xff"}'),
        signed(b"[" * 50_000),
        signed(b'{"a":' * 50_000),
        signed(b"null"),
        signed(second(seq=True)),
        signed(second(seq="2")),
        signed(second(seq=None)),
        signed(second(prev="AB" * 32)),
        signed(second(at="2026-11-15 02:03:18Z")),
        signed(second(at="2026-11-15T02:03:18.000+00:00")),
        signed(second(kind=7)),
        signed(second(kind=["tick"])),
        signed(second(actor="service")),
        signed(second(actor={"type": 7})),
        signed(second(source="192.0.2.1")),
        *(signed(without(name)) for name in ("seq", "prev", "at", "kind", "actor", "source")),
    ],
)
def test_a_line_in_another_form_is_named(line: str) -> None:
    ledger = Ledger.begun(KEY)
    ledger.lines.append(line)
    assert found(check(ledger)) == [(2, "malformed")]


def test_a_right_line_is_right() -> None:
    ledger = Ledger.begun(KEY)
    ledger.lines.append(signed(second()))
    assert found(check(ledger)) == []


def test_an_unknown_kind_with_any_members_is_no_problem() -> None:
    ledger = Ledger.begun(KEY)
    ledger.write("new_kind", ümlaut="\u2028ß\U0001f600", nested=[None, True, {"a": [-1, 10**20]}], state="success")
    assert found(check(ledger)) == []


def test_the_verifier_stops_after_many_problems() -> None:
    ledger = Ledger.begun(KEY)
    ledger.lines += ["x"] * 5000
    report = check(ledger, anchors=["ab" * 32])
    assert len(report.problems) == 1000
    assert report.counts["entries"] == 1001


# Any change at all.

_SMALL = small()
_TEXT = "".join(f"{line}\n" for line in _SMALL.lines).encode()


def lines_of(text: bytes) -> list[str]:
    lines = text.decode("ascii", "backslashreplace").split("\n")
    return lines if lines[-1] else lines[:-1]


@given(st.integers(0, len(_TEXT) - 1), st.integers(0, 7))
def test_any_changed_bit_of_a_line_is_found(position: int, bit: int) -> None:
    changed = bytearray(_TEXT)
    changed[position] ^= 1 << bit
    ledger = dataclasses.replace(_SMALL, lines=lines_of(bytes(changed)))
    number = _TEXT[:position].count(b"\n") + 1
    problems = check(ledger).problems
    assert problems
    assert number in {problem.seq for problem in problems} | {len(_SMALL.lines) + 1}


@given(st.sampled_from(sorted(_SMALL.evidence)), st.data())
def test_any_changed_bit_of_evidence_is_found(digest: str, data: st.DataObject) -> None:
    content = bytearray(_SMALL.evidence[digest])
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    ledger = dataclasses.replace(_SMALL, evidence=_SMALL.evidence | {digest: bytes(content)})
    naming = [number for number, line in enumerate(_SMALL.lines, 1) if digest in str(claims_of(line))]
    assert {(number, "evidence_changed") for number in naming} <= set(found(check(ledger)))


@given(st.sets(st.integers(0, len(_SMALL.lines) - 1), min_size=1))
def test_any_removal_is_found_except_that_of_the_end(removed: set[int]) -> None:
    kept = [line for number, line in enumerate(_SMALL.lines) if number not in removed]
    is_end = kept == _SMALL.lines[: len(kept)] and bool(kept)
    report = check(dataclasses.replace(_SMALL, lines=kept))
    assert bool(report.problems) is not is_end
    if not is_end and kept:
        assert (min(removed) + 1, "missing") in found(report)
    anchored = check(dataclasses.replace(_SMALL, lines=kept), anchors=[_SMALL.head[1]])
    assert anchored.problems


@given(st.permutations(range(len(_SMALL.lines))))
def test_any_other_order_is_found(order: list[int]) -> None:
    report = check(dataclasses.replace(_SMALL, lines=[_SMALL.lines[number] for number in order]))
    assert bool(report.problems) is (order != sorted(order))


@given(st.lists(st.text() | st.sampled_from(_SMALL.lines) | st.builds(base64url, st.binary()), max_size=6))
def test_no_lines_break_the_verifier(lines: list[str]) -> None:
    report = check(dataclasses.replace(_SMALL, lines=lines))
    assert bool(report.problems) is not (lines == _SMALL.lines[: len(lines)] and bool(lines))
