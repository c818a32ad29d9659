"""Every metric by name, with its type, labels and meaning; ``docs/monitoring.md`` has the same table.

A name, a label or a value of a label never contains anything that a person, a bouncer or an address is known by. Each
label has a limited number of values.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric


class Type(StrEnum):
    """The types of metrics that Prometheus knows."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Name(StrEnum):
    """The name of each metric. Prometheus adds ``_total`` to a counter's."""

    BUILD = "telemetry_build_info"
    CLOCK = "telemetry_clock_timestamp_seconds"
    EVENTS = "telemetry_events"
    READY = "telemetry_ready"
    LAST_WAKING = "telemetry_last_waking_timestamp_seconds"
    HTTP_REQUESTS = "telemetry_http_requests"
    HTTP_SECONDS = "telemetry_http_request_seconds"
    HTTP_PROBLEMS = "telemetry_http_problems"
    USAGE_REPORTS = "telemetry_usage_reports"
    LOGINS = "telemetry_logins"
    ATTEMPTS = "telemetry_attempts"
    ATTEMPT_SECONDS = "telemetry_attempt_seconds"
    DATABASE_UP = "telemetry_database_up"
    DATABASE_ERRORS = "telemetry_database_errors"
    DATABASE_BYTES = "telemetry_database_size_bytes"
    DISK_FREE = "telemetry_database_disk_free_bytes"
    HEALTH = "telemetry_health"
    HEALTH_FINDING = "telemetry_health_finding"
    CONNECTED = "telemetry_license_server_connected"
    TRANSMISSIONS = "telemetry_transmissions"
    WAITING = "telemetry_transmissions_waiting"
    PAYLOAD_CHANGED = "telemetry_transmissions_payload_changed"
    OLDEST_WAITING = "telemetry_oldest_waiting_timestamp_seconds"
    LAST_ACCEPTED = "telemetry_last_accepted_timestamp_seconds"
    NEXT_RUN = "telemetry_next_run_timestamp_seconds"
    LEDGER_ENTRIES = "telemetry_ledger_entries"
    LEDGER_VERIFIED = "telemetry_ledger_verified_entries"
    LEDGER_VERIFIED_AT = "telemetry_ledger_verified_timestamp_seconds"
    LEDGER_PROBLEMS = "telemetry_ledger_problems"
    RECEIPTS_UNVERIFIED = "telemetry_receipts_unverified"
    SOURCE_ROWS = "telemetry_source_rows"
    SOURCE_LAG = "telemetry_source_lag_seconds"
    SOURCE_STOPPED = "telemetry_source_stopped"
    SOURCE_SHARED = "telemetry_source_shared_bouncers"
    SOURCE_CATCH_UP = "telemetry_source_catch_up_ratio"


class Meaning(NamedTuple):
    """What is written about a metric."""

    type: Type
    labels: tuple[str, ...]
    text: str


_C, _G, _H = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM

METRICS: dict[Name, Meaning] = {
    Name.BUILD: Meaning(_G, ("version", "database"), "Always 1: the version, and the kind of database."),
    Name.CLOCK: Meaning(_G, (), "Unix time of this machine's clock at the scrape."),
    Name.EVENTS: Meaning(
        _C, ("event",), "Events of the log, whether they were written or left out by its level and limits."
    ),
    Name.READY: Meaning(_G, ("part",), "Whether a part works: the database is written, the scheduler wakes."),
    Name.LAST_WAKING: Meaning(_G, (), "Unix time of the latest waking of this process; 0 before the first."),
    Name.HTTP_REQUESTS: Meaning(_C, ("route", "status"), "Requests, by route and the status of the response."),
    Name.HTTP_SECONDS: Meaning(_H, ("route",), "Seconds from a request's head to the end of its response."),
    Name.HTTP_PROBLEMS: Meaning(_C, ("route", "code"), "Requests refused or failed, by route and problem code."),
    Name.USAGE_REPORTS: Meaning(
        _C,
        ("result",),
        "Usage reports acknowledged: new ones, and duplicates that did not count again. Refused calls are among the"
        " problems of the route post_usage, by reason.",
    ),
    Name.LOGINS: Meaning(
        _C, ("result",), "Logins: succeeded, failed, blocked after too many failures, or a refused signed identity."
    ),
    Name.ATTEMPTS: Meaning(
        _C,
        ("outcome", "cause"),
        "Attempts to send a payload, by the state that followed, and by the cause of a failure.",
    ),
    Name.ATTEMPT_SECONDS: Meaning(_H, (), "Seconds that an attempt took."),
    Name.DATABASE_UP: Meaning(
        _G, (), "Whether the database could be read for this scrape. Otherwise what comes from it is missing."
    ),
    Name.DATABASE_ERRORS: Meaning(_C, ("code",), "Transactions of this process that failed, by error code."),
    Name.DATABASE_BYTES: Meaning(_G, (), "Bytes that the database takes on its disk."),
    Name.DISK_FREE: Meaning(_G, (), "Free bytes on the disk of a SQLite database; missing for PostgreSQL."),
    Name.HEALTH: Meaning(_G, ("status",), "Health status: 1 for the current one."),
    Name.HEALTH_FINDING: Meaning(
        _G,
        ("code",),
        "What is wrong with the proof, or waits for a decision: 1 for each that is found, whatever the status is.",
    ),
    Name.CONNECTED: Meaning(
        _G, (), "Whether the latest exchange with the License Server succeeded; missing if there was none."
    ),
    Name.TRANSMISSIONS: Meaning(_G, ("state",), "Transmissions in the history."),
    Name.WAITING: Meaning(_G, (), "Transmissions not accepted yet."),
    Name.PAYLOAD_CHANGED: Meaning(
        _G, (), "Waiting transmissions whose payload is not the one that was signed, so that it is not sent."
    ),
    Name.OLDEST_WAITING: Meaning(
        _G,
        (),
        "Unix time at which the oldest payload was prepared that should have been accepted already; 0 if there is"
        " none. Payloads in a bundle, and those that wait for their release, do not count.",
    ),
    Name.LAST_ACCEPTED: Meaning(_G, (), "Unix time of the last acceptance; 0 before the first."),
    Name.NEXT_RUN: Meaning(_G, (), "Unix time of the next run; missing while telemetry is off."),
    Name.LEDGER_ENTRIES: Meaning(_G, (), "Number of the latest ledger entry."),
    Name.LEDGER_VERIFIED: Meaning(_G, (), "Number of the latest verified ledger entry; 0 before the first check."),
    Name.LEDGER_VERIFIED_AT: Meaning(
        _G,
        (),
        "Unix time of the last complete verification of ledger, tables and evidence; 0 before the first.",
    ),
    Name.LEDGER_PROBLEMS: Meaning(_G, (), "Problems found by the last verification."),
    Name.RECEIPTS_UNVERIFIED: Meaning(
        _G, (), "Transmissions accepted without a valid receipt although a key was pinned."
    ),
    Name.SOURCE_ROWS: Meaning(_C, (), "Rows counted from the source database; missing without one, as the next four."),
    Name.SOURCE_LAG: Meaning(_G, (), "Seconds that the counts from the source database are behind."),
    Name.SOURCE_STOPPED: Meaning(_G, (), "Whether something keeps the source database from being read."),
    Name.SOURCE_SHARED: Meaning(
        _G, (), "Bouncers of the open period that are counted from the source database and by reports."
    ),
    Name.SOURCE_CATCH_UP: Meaning(
        _G, (), "How far the latest catch-up on older rows is, from 0 to 1; missing before the first."
    ),
}


def gauge(name: Name, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, METRICS[name].text, value=value)


def count(name: Name, value: float) -> Metric:
    """Return a counter without labels."""
    return CounterMetricFamily(name, METRICS[name].text, value=value)


def gauges(name: Name, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a gauge with one label, and its value for each value of the label."""
    family = GaugeMetricFamily(name, METRICS[name].text, labels=METRICS[name].labels)
    for label, value in values:
        family.add_metric((label,), value)
    return family


def counts(name: Name, values: Iterable[tuple[str, float]]) -> Metric:
    """Return a counter with one label, and its value for each value of the label."""
    family = CounterMetricFamily(name, METRICS[name].text, labels=METRICS[name].labels)
    for label, value in values:
        family.add_metric((label,), value)
    return family
