"""Whatever was acknowledged can be sent: what would not fit into a payload is refused, and nothing else (S3)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import create_engine, text

from telemetry_service.domain.errors import (
    ExtensionCodesFullError,
    PeriodFullError,
    RegistryFullError,
    RowNumbersUsedUpError,
    TelemetryError,
    TooManyBouncersError,
    UsageRefusedError,
)
from telemetry_service.domain.facts import MAX_WAITING_CODES, BouncerRegistration, Environment, RecordingResult
from telemetry_service.domain.payload import MAX_INTEGER
from telemetry_service.pipeline.actions.report_facts import (
    redeem_code,
    register_bouncer,
    remove_bouncer,
)
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.facts import list_bouncers
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.record import Recorder, record
from tests.pipeline.test_rows_put_back import write
from tests.support.actors import ADMIN, OPS
from tests.support.databases import ON_BOTH
from tests.support.reckoning import reckon
from tests.support.site import Site, record_call, usage

REPLICAS = 4
LARGEST = 2**63 - 1


def bounded(runtime: Runtime, most: int) -> Runtime:
    """Return the same installation, of a deployment that takes ``most`` bouncers."""
    return replace(runtime, deployment=replace(runtime.deployment, max_bouncers=most))


def at_once(site: Site, act: Callable[[Runtime, int], object], most: int = 100_000) -> list[object]:
    """Let several replicas act at the same moment, and return what came of each."""
    replicas = [bounded(site.open(), most) for _ in range(REPLICAS)]
    ready = Barrier(REPLICAS)

    def run(number: int) -> object:
        ready.wait(30)
        try:
            return act(replicas[number], number)
        except TelemetryError as error:
            return error

    with ThreadPoolExecutor(REPLICAS) as pool:
        return list(pool.map(run, range(REPLICAS)))


@ON_BOTH
def test_a_sum_never_goes_beyond_what_a_payload_carries_and_the_period_is_sent(site: Site) -> None:
    site.report(usage(MAX_INTEGER - 10, MAX_INTEGER - 10))
    with pytest.raises(PeriodFullError):
        site.report(usage(1), usage(10, environment=Environment.SANDBOX))
    with pytest.raises(PeriodFullError):
        site.report(usage(0, 11))
    assert site.report(usage(10, 10, 10, environment=Environment.SANDBOX)).accepted == 1
    assert read_now(site.runtime, build_preview).payload is not None
    site.tick()
    (payload,) = site.server.payloads()
    assert (payload.total_events, payload.policy_decision_count) == (MAX_INTEGER, MAX_INTEGER)


@ON_BOTH
def test_a_refused_report_counts_in_the_next_period(site: Site) -> None:
    site.report(usage(MAX_INTEGER))
    refused = usage(7)
    with pytest.raises(PeriodFullError):
        site.report(refused)
    send_now(site.runtime, ADMIN, None)
    assert site.report(refused) == RecordingResult(accepted=1, duplicates=0)
    assert reckon(site.replica.database_url, site.server.journal()).open.events == 7


@ON_BOTH
def test_a_repetition_is_a_duplicate_in_a_full_period_too(site: Site) -> None:
    again = usage(MAX_INTEGER)
    site.report(again)
    assert site.report(again, usage(0)) == RecordingResult(accepted=1, duplicates=1)


@ON_BOTH
def test_the_other_calls_of_one_commit_are_recorded(site: Site) -> None:
    twice, report = usage(5), usage(3)
    calls = [[report], [usage(MAX_INTEGER), twice], [twice, usage(1)], [usage(MAX_INTEGER - 9), report], [usage(2)]]
    first, refused, third, fourth, last = record(site.runtime, calls)
    assert isinstance(refused, PeriodFullError)
    assert [one.place for one in refused.problems] == [0]
    assert (first, third) == (RecordingResult(1, 0), RecordingResult(2, 0)), "an id of a refused call is not taken"
    assert fourth == RecordingResult(accepted=1, duplicates=1)
    assert isinstance(last, PeriodFullError)
    assert reckon(site.replica.database_url, ()).open.events == MAX_INTEGER


@ON_BOTH
def test_each_caller_hears_of_its_own_reports_only(site: Site) -> None:
    recorder = Recorder(site.runtime)
    responses = [recorder.submit(reports) for reports in ([usage(1)], [usage(MAX_INTEGER)], [usage(2)])]
    recorder.start()
    recorder.stop()
    assert (responses[0].result(30).accepted, responses[2].result(30).accepted) == (1, 1)
    assert isinstance(responses[1].exception(30), PeriodFullError)
    assert reckon(site.replica.database_url, ()).open.events == 3


@ON_BOTH
def test_no_race_of_replicas_goes_beyond_a_sum(site: Site) -> None:
    quarter = (MAX_INTEGER - 3) // 4
    site.report(usage(MAX_INTEGER - 2 * quarter))

    def report(replica: Runtime, number: int) -> RecordingResult:
        return record_call(replica, usage(quarter, bouncer=f"bouncer-{number}"))

    results = at_once(site, report)
    assert sum(isinstance(result, RecordingResult) for result in results) == 2
    assert sum(isinstance(result, PeriodFullError) for result in results) == 2
    assert reckon(site.replica.database_url, ()).open.events == MAX_INTEGER


@ON_BOTH
def test_a_period_takes_no_more_bouncers_than_the_deployment_says(site: Site) -> None:
    few = bounded(site.runtime, 3)
    calls = [[usage(1, bouncer=f"bouncer-{number}")] for number in range(5)]
    results = record(few, [*calls, [usage(1, bouncer="bouncer-1"), usage(1, bouncer="bouncer-2")]])
    assert [type(result) for result in results] == [
        *[RecordingResult] * 3,
        *[TooManyBouncersError] * 2,
        RecordingResult,
    ]
    assert record_call(few, usage(1, bouncer="bouncer-0", environment=Environment.SANDBOX)).accepted == 1
    assert record_call(bounded(few, 1), usage(1, bouncer="bouncer-2")).accepted == 1, "after the bound was lowered"
    assert read_now(few, build_preview).counts.bouncer_count == 3
    send_now(few, ADMIN, None)
    assert record_call(few, usage(1, bouncer="bouncer-4")).accepted == 1


@ON_BOTH
def test_no_race_of_replicas_brings_one_bouncer_too_many(site: Site) -> None:
    most = 30

    def report(replica: Runtime, number: int) -> int:
        accepted = 0
        for step in range(20):
            # Half of them are known to another replica as well, which may have brought them at this very moment.
            name = f"shared-{step}" if step % 2 else f"own-{number}-{step}"
            (result,) = record(replica, [[usage(1, 1, bouncer=name)]])
            accepted += not isinstance(result, UsageRefusedError)
        return accepted

    results = at_once(site, report, most)
    assert all(isinstance(result, int) for result in results), results
    preview = read_now(site.runtime, build_preview)
    assert preview.counts.bouncer_count == preview.counts.active_reporting_bouncer_count == most
    assert preview.counts.total_events == sum(result for result in results if isinstance(result, int))


@ON_BOTH
def test_the_registry_is_bounded_too_and_its_bouncers_can_still_be_changed(site: Site) -> None:
    site.runtime = bounded(site.runtime, 2)
    site.register("one", Environment.SANDBOX)
    site.register("two", Environment.SANDBOX)
    with pytest.raises(RegistryFullError):
        site.register("three", Environment.SANDBOX)
    site.register("two", Environment.PRODUCTION)
    remove_bouncer(site.runtime, "one", OPS)
    site.register("three", Environment.SANDBOX)
    assert [bouncer.bouncer_id for bouncer in read_now(site.runtime, list_bouncers)] == ["three", "two"]


@ON_BOTH
def test_no_race_of_replicas_registers_one_bouncer_too_many(site: Site) -> None:
    sandbox = BouncerRegistration(environment=Environment.SANDBOX, pair_id="pair-1")

    def register(replica: Runtime, number: int) -> None:
        for step in range(10):
            register_bouncer(replica, f"bouncer-{number}-{step}", sandbox, OPS)

    at_once(site, register, most=25)
    assert len(read_now(site.runtime, list_bouncers)) == 25


def made_up_codes(site: Site, codes: int) -> None:
    engine = create_engine(site.replica.database_url)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO extension_codes (code_id, redeemed_at) VALUES (:code, '2026-11-01 00:00:00+00:00')"),
            [{"code": f"made-up-{number}"} for number in range(codes)],
        )
    engine.dispose()


@ON_BOTH
def test_no_race_of_replicas_records_one_code_too_many(site: Site) -> None:
    """The second replica counts while the first has recorded the last code, and not committed it yet."""
    made_up_codes(site, MAX_WAITING_CODES - 1)
    other = site.open()
    with ThreadPoolExecutor(1) as pool:
        with site.runtime.database.write() as tx:
            assert tx.extension_codes.redeem(site.code("the-last-one"))
            second = pool.submit(redeem_code, other, site.code("one-too-many"), OPS)
            wait([second], timeout=1)
        assert isinstance(second.exception(), ExtensionCodesFullError)


@ON_BOTH
def test_no_more_codes_wait_than_ten_payloads_carry(site: Site) -> None:
    made_up_codes(site, MAX_WAITING_CODES)
    with pytest.raises(ExtensionCodesFullError):
        site.redeem("one-more")
    send_now(site.runtime, ADMIN, None)
    assert site.redeem("one-more")


def test_where_someone_has_used_up_the_numbers_of_rows_no_full_disk_is_blamed(site: Site) -> None:
    site.report(usage())
    numbers = "UPDATE sqlite_sequence SET seq = :most WHERE name = 'reporting_periods'"
    write(site, numbers, most=LARGEST)
    with pytest.raises(RowNumbersUsedUpError):
        send_now(site.runtime, ADMIN, None)
    write(site, numbers, most=1)
    send_now(site.runtime, ADMIN, None)
