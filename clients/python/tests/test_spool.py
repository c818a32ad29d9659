"""The folder of spools: torn and damaged files, several processes, restarts, and disks that take nothing."""

import json
import os
import time
import zlib
from pathlib import Path

import pytest

from clients.python.tests.counting import fill_and_wait, run, send_with_a_full_disk
from clients.python.tests.support import BOUNCER, ONE, Service, accept, patient, problem, refused, sent
from control_core_telemetry_reporter import Reporter
from control_core_telemetry_reporter.journal import FileJournal, open_journal
from control_core_telemetry_reporter.options import Options
from control_core_telemetry_reporter.refused import RefusedFile
from control_core_telemetry_reporter.report import Report, time_ordered_id
from control_core_telemetry_reporter.spool import Spool
from tests.support.fault_server import FaultServer, Visit
from tests.support.faults import reply, response

KEY = (BOUNCER, "production")


def journal_of(spool: Path, name: str = "left.spool") -> FileJournal:
    """Return a new spool file, locked."""
    spool.mkdir(exist_ok=True)
    opened = open_journal(spool / name, create=True)
    assert opened is not None
    return opened[0]


def left(spool: Path, *records: dict[str, object]) -> Path:
    """Leave a spool file with these records, as a process does that was killed."""
    journal = journal_of(spool)
    for record in records:
        journal.append(record, sync=False)
    journal.close()
    return spool / "left.spool"


def report(bouncer_id: str, now: float, **counts: int) -> Report:
    return Report(time_ordered_id(now), bouncer_id, "production", **{**ONE, **counts})


def counts(number: int) -> dict[str, object]:
    return {"counts": [[*KEY, number, 0, 0]]}


def test_a_restart_sends_what_was_left_and_leaves_no_file(service: Service, spool: Path) -> None:
    fixed = report("bnc-fixed", time.time())
    left(spool, counts(5), {"fixed": [[time_ordered_id(time.time()), *KEY, 5, 0, 0], fixed.row]}, counts(2), counts(3))
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush()
    assert service.counted() == {BOUNCER: (10, 0, 0), "bnc-fixed": (3, 2, 1)}
    assert list(spool.iterdir()) == []


def test_what_is_sent_or_set_aside_was_synced_before(
    server: FaultServer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure loses what was written and not synced."""
    synced, arrived, sync = b"", [], os.fsync

    def written() -> bytes:
        return b"".join(file.read_bytes() for file in sorted(spool.iterdir()))

    def note(descriptor: int) -> None:
        nonlocal synced
        sync(descriptor)
        synced = written()

    def refuse(visit: Visit) -> None:
        visit.secure()
        (one,) = json.loads(visit.read_request().body)["reports"]
        arrived.append((synced == written(), synced.count(one["report_id"].encode())))
        visit.send(response(422, problem("input-invalid", [{"field": "reports[0].bouncer_id", "problem": "is wrong"}])))

    monkeypatch.setattr(os, "fsync", note)
    server.mode = refuse
    with patient(server, spool, durability="machine") as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert synced == written() != b"", "before count returns"
        reporter.flush(10)
    assert arrived == [(True, 2)], "its counts, and that it may have arrived"
    assert (spool / "refused.jsonl").read_bytes() in synced, "before it is forgotten"


def test_a_torn_end_is_cut_off_wherever_it_was_torn(tmp_path: Path) -> None:
    file = left(tmp_path / "whole", counts(1), counts(2))
    whole = file.read_bytes()
    last = len(whole) - whole.rstrip(b"\n").rfind(b"\n") - 1
    for missing in range(1, last + 1):
        file.write_bytes(whole[:-missing] + (b"" if missing % 2 else bytes(missing)))
        opened = open_journal(file)
        assert opened is not None
        journal, records = opened
        assert records == [counts(1)], missing
        journal.append(counts(7), sync=True)
        journal.close()
        again = open_journal(file)
        assert again is not None
        assert again[1] == [counts(1), counts(7)], missing
        again[0].close()


@pytest.mark.parametrize("damage", ["middle", "header", "nonsense"])
def test_a_damaged_file_is_kept_for_a_person_and_nothing_of_it_is_sent(
    service: Service, spool: Path, damage: str
) -> None:
    row = ["nonsense"] if damage == "nonsense" else report(BOUNCER, time.time()).row
    file = left(spool, counts(1), {"fixed": [row]}, counts(2))
    content = file.read_bytes()
    place = {"middle": content.index(b"counts"), "header": 10}.get(damage)
    if place is not None:
        file.write_bytes(content[:place] + b"#" + content[place + 1 :])
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush()
        assert reporter.statistics.damaged == 1
    assert [path.name for path in spool.iterdir()] == ["left.damaged"]
    assert service.counted() == {}


def test_a_file_of_a_later_version_is_left_alone(service: Service, spool: Path) -> None:
    left(spool, counts(1))
    header = json.dumps({"format": 2}).encode()
    later = b"%08x %s\nwhatever comes then\n" % (zlib.crc32(header), header)
    (spool / "later.spool").write_bytes(later)
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush()
    assert [path.name for path in spool.iterdir()] == ["later.spool"]
    assert (spool / "later.spool").read_bytes() == later
    assert service.counted() == {BOUNCER: (1, 0, 0)}


def test_two_reporters_share_a_folder_and_no_file(service: Service, spool: Path) -> None:
    first, second = (service.reporter(spool, durability="process") for _ in range(2))
    with first, second:
        for reporter in (first, second):
            for _ in range(50):
                reporter.count(BOUNCER, "production", audit_events=1)
        assert len(list(spool.glob("*.spool"))) == 2
        assert first.flush()
        assert second.flush()
    assert service.counted() == {BOUNCER: (100, 0, 0)}


def test_a_poison_report_of_an_earlier_version_is_set_aside_by_the_real_service(service: Service, spool: Path) -> None:
    now = time.time()
    poison = report("bnc-poison", now, successful_decisions=9)
    left(spool, {"fixed": [report(f"bnc-{number}", now).row for number in range(4)] + [poison.row]})
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush()
        assert (reporter.statistics.accepted, reporter.statistics.set_aside) == (4, 1)
    (aside,) = refused(spool)
    assert aside["report_id"] == poison.report_id
    assert aside["reason"]
    assert "bnc-poison" not in service.counted()
    assert len(service.counted()) == 4


def test_a_file_shrinks_again_although_nothing_is_sent(spool: Path) -> None:
    kept = Spool(journal_of(spool), Options(max_spool_bytes=20_000))
    for _ in range(3_000):
        kept.add({KEY: (1, 1, 1)}, sync=False)
    assert (spool / "left.spool").stat().st_size <= 20_100
    for number in range(2_000):
        key = (f"bnc-{number}", "production")
        try:
            kept.add({key: (1, 1, 1)}, sync=False)
        except OSError:
            break
    else:
        pytest.fail("it took everything")
    assert (spool / "left.spool").stat().st_size <= 20_100
    kept.remove(kept.fix_open(time.time(), held=()))
    kept.add({KEY: (1, 1, 1)}, sync=False)
    kept.leave()
    opened = open_journal(spool / "left.spool")
    assert opened is not None
    restored = Spool.restore(*opened, Options())
    assert (restored.waiting, restored.fixed) == (1, [])
    restored.leave()


def test_a_full_disk_stops_neither_counting_nor_sending_and_nothing_counts_twice(service: Service, spool: Path) -> None:
    run(fill_and_wait, service.url, service.token, spool, 100)
    assert service.counted() == {"bnc-on-disk": (1, 0, 0), "bnc-full": (200, 0, 0), "bnc-again": (1, 0, 0)}
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("sent_before", [True, False])
def test_on_a_full_disk_only_what_is_known_to_have_been_sent_is_repeated(
    service: Service, spool: Path, *, sent_before: bool
) -> None:
    fixed = report(BOUNCER, time.time())
    left(spool, {"fixed": [fixed.row]}, {"sent": [fixed.report_id] if sent_before else []})
    run(send_with_a_full_disk, service.url, service.token, spool, frees=not sent_before)
    assert service.counted() == {BOUNCER: (3, 2, 1)}


def test_a_spool_that_cannot_be_rewritten_stays_as_it_is(spool: Path) -> None:
    journal = journal_of(spool)
    journal.append(counts(1), sync=True)
    (spool / "left.spool.new").mkdir()
    with pytest.raises(OSError, match=r"left\.spool\.new"):
        journal.replace([])
    (spool / "left.spool.new").rmdir()
    journal.append(counts(2), sync=True)
    journal.replace([counts(3)])
    assert open_journal(spool / "left.spool") is None, "it is still locked"
    journal.close()
    opened = open_journal(spool / "left.spool")
    assert opened is not None
    assert opened[1] == [counts(3)]
    opened[0].remove()
    assert open_journal(spool / "left.spool") is None


def test_the_file_of_refused_reports_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = RefusedFile(tmp_path)
    reports = {report(BOUNCER, time.time()): "x" * 150 for _ in range(5_000)}
    for _ in range(6):
        file.append(reports, time.time())
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() <= {"refused.jsonl", "refused.jsonl.1"}
    assert sum(sizes.values()) < 12 * 1024 * 1024


def test_what_is_in_memory_alone_at_the_end_is_lost_and_said(
    server: FaultServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuse()
    spool.write_text("a file where the folder should be")
    with patient(server, spool) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
    assert [text for text in caplog.messages if text.startswith("telemetry was lost: the spool cannot be written")]


@pytest.mark.parametrize("durability", ["interval", "process"])
def test_a_folder_that_cannot_be_made_is_tried_again(service: Service, spool: Path, durability: str) -> None:
    spool.write_text("a file where the folder should be")
    with service.reporter(spool, durability=durability, send_seconds=60) as reporter:
        reporter.count(BOUNCER, "production", audit_events=1)
        assert reporter.flush()
        assert not reporter.statistics.spooled
        spool.unlink()
        time.sleep(0.05)
        reporter.count(BOUNCER, "production", audit_events=1)
        assert reporter.flush()
        assert reporter.statistics.spooled
        assert len(list(spool.glob("*.spool"))) == 1
    assert service.counted() == {BOUNCER: (2, 0, 0)}


def test_what_cannot_be_set_aside_waits_until_it_can(server: FaultServer, spool: Path) -> None:
    server.mode = reply(422, problem("input-invalid"))
    (spool / "refused.jsonl").mkdir(parents=True)
    with patient(server, spool) as reporter:
        reporter.count(BOUNCER, "production", **ONE)
        assert not reporter.flush()
        assert (reporter.statistics.trouble, reporter.statistics.held) == ("refused_file_unwritable", 1)
        (spool / "refused.jsonl").rmdir()
        until = time.monotonic() + 30
        while not reporter.flush():
            assert time.monotonic() < until
            time.sleep(0.1)
        assert len(refused(spool)) == 1


def test_a_clock_that_steps_changes_neither_the_order_of_work_nor_what_is_counted(
    server: FaultServer, spool: Path
) -> None:
    now = time.time()
    server.mode = reply(503, b"")
    reporter = Reporter(
        server.url, "token", spool, ca_file=server.ca_pem_path, send_seconds=0.02, flush_seconds=0.02, now=lambda: now
    )
    for step in (0, -40 * 86_400, 400 * 86_400, -now):
        now += step
        reporter.count(BOUNCER, "production", audit_events=1)
        reporter.flush()
    server.mode = accept
    assert reporter.close()
    counted = {report["report_id"]: report["audit_events"] for request in sent(server) for report in request}
    assert sum(counted.values()) == 4
    assert refused(spool) == []


def test_a_report_that_may_have_arrived_long_ago_is_set_aside_and_one_that_cannot_have_is_sent(
    service: Service, spool: Path
) -> None:
    long_ago = time.time() - 7 * 86_400
    arrived, never = report("bnc-arrived", long_ago), report("bnc-never", long_ago)
    left(spool, {"fixed": [arrived.row, never.row]}, {"sent": [arrived.report_id]})
    with service.reporter(spool, send_seconds=60) as reporter:
        assert reporter.flush()
        assert reporter.statistics.set_aside == 1
    assert service.counted() == {"bnc-never": (3, 2, 1)}
    (aside,) = refused(spool)
    assert (aside["report_id"], aside["reason"]) == (
        arrived.report_id,
        "it may have been counted, and is too old to be recognized",
    )
