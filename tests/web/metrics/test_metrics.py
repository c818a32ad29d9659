"""Every metric: there, of its type, with its labels; right about what happened; and silent about who did it."""

from datetime import timedelta

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from telemetry_service.identity.scopes import Scope
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.log.events import Event
from telemetry_service.storage.migrate import migrate
from telemetry_service.web.metrics.names import METRICS, Name
from tests.support.actors import CLI
from tests.support.databases import ON_BOTH
from tests.support.frozen_clock import FrozenClock
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.postgres import PostgresServer
from tests.support.running import Running
from tests.web.api.test_facts import report, send

_OF_THE_PROCESS = {
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds",
    "process_open_fds",
    "process_max_fds",
}


def scrape(service: Running) -> dict[str, Metric]:
    """Return the metrics of a service by name, read by Prometheus's own library."""
    response = service.call(Scope.METRICS, "GET", "/metrics")
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (200, "text/plain")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def values(metrics: dict[str, Metric], name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by those of its labels; of a histogram, how many were observed."""
    wanted = {name, f"{name}_total", f"{name}_count"}
    labels = METRICS[Name(name)].labels if name in set(Name) else ()
    return {
        tuple(one.labels[label] for label in labels): one.value for one in metrics[name].samples if one.name in wanted
    }


@ON_BOTH
def test_every_metric_is_there_with_its_type_its_labels_and_its_meaning(lived: Running) -> None:
    lived.context.runtime.database.failures()  # None yet: the counter has no value, and is there all the same.
    found = scrape(lived)
    of_sqlite = {"telemetry_database_disk_free_bytes"} if lived.database_url.startswith("sqlite") else set()
    of_a_source = {name for name in METRICS if name.startswith("telemetry_source_")}
    expected = {str(name) for name in set(METRICS) - of_a_source} - {"telemetry_database_disk_free_bytes"} | of_sqlite
    assert set(METRICS) == set(Name)
    assert set(found) == expected | _OF_THE_PROCESS
    for name, meaning in METRICS.items():
        if name in found:
            family = found[name]
            assert (family.type, family.documentation) == (meaning.type, meaning.text), name
            labels = {label for one in family.samples for label in one.labels} - {"le"}
            assert labels in (set(meaning.labels), set()), name


def test_no_metric_names_anyone_or_anything(lived: Running) -> None:
    unknown = lived.client.get("/nobody/knows/10.1.2.3")
    assert unknown.status_code == 404
    text = lived.call(Scope.METRICS, "GET", "/metrics").text
    with lived.context.runtime.database.read() as tx:
        private = [str(tx.installation.instance_id()), *(one.name for one in tx.identity.tokens() if "-" in one.name)]
    for word in (*private, "bouncer-1", "nobody", "127.0.0.1", "localhost", "cus_", "@", "/dev/"):
        assert word not in text, word


def test_the_history_is_counted_by_state_and_by_what_came_of_each_attempt(lived: Running) -> None:
    found = scrape(lived)
    states = {state[0]: number for state, number in values(found, "telemetry_transmissions").items() if number}
    assert states == {"success": 1, "rejected": 1, "held": 1}
    assert values(found, "telemetry_attempts") == {
        ("success", ""): 1,
        ("rejected", "payload_refused"): 1,
        ("held", "api_key_not_accepted"): 1,
    }
    assert values(found, "telemetry_attempt_seconds") == {(): 3}
    ends = [float(one.labels["le"]) for one in found["telemetry_attempt_seconds"].samples if "le" in one.labels]
    assert sorted(ends)[-2] == ExchangeLimits().deadline.total_seconds(), "an attempt at the deadline has its bucket"
    now = lived.clock.now().timestamp()
    assert values(found, "telemetry_oldest_waiting_timestamp_seconds") == {(): now}
    assert values(found, "telemetry_last_accepted_timestamp_seconds") == {(): now}
    assert values(found, "telemetry_clock_timestamp_seconds") == {(): now}
    lived.clock.advance(timedelta(days=2))
    later = scrape(lived)
    assert values(later, "telemetry_oldest_waiting_timestamp_seconds") == {(): now}
    assert values(later, "telemetry_clock_timestamp_seconds") == {(): now + 2 * 86_400}


def test_what_never_happened_is_zero_and_not_missing(service: Running) -> None:
    found = scrape(service)
    for name in ("oldest_waiting_timestamp_seconds", "last_accepted_timestamp_seconds", "ledger_problems"):
        assert values(found, f"telemetry_{name}") == {(): 0}
    assert set(values(found, "telemetry_events")) == {(event.value,) for event in Event}


def test_requests_are_counted_by_route_status_and_problem_and_an_unknown_path_has_none(service: Running) -> None:
    send(service, report())
    service.call(Scope.REPORT, "POST", "usage", json={"reports": [{}]})
    service.call(Scope.READ, "POST", "usage", json={"reports": [report()]})
    service.client.get("/wp-login.php")
    service.client.head("/healthz")
    service.client.get("/healthz", headers={"Host": "elsewhere.example"})
    found = scrape(service)
    requests = values(found, "telemetry_http_requests")
    wanted = {
        ("post_usage", "200"): 1,
        ("post_usage", "422"): 1,
        ("post_usage", "403"): 1,
        ("none", "404"): 1,
        ("get_healthz", "200"): 1,
        ("none", "421"): 1,
    }
    assert {key: requests.get(key) for key in wanted} == wanted
    assert values(found, "telemetry_http_request_seconds")["post_usage",] == 3
    assert values(found, "telemetry_http_problems") == {
        ("post_usage", "input-invalid"): 1,
        ("post_usage", "forbidden"): 1,
        ("none", "not-found"): 1,
        ("none", "host-refused"): 1,
    }


def test_logins_and_every_other_event_of_the_log_are_counted(service: Running) -> None:
    form = {"username": "admin", "password": "a wrong password"}
    for _ in range(6):
        service.client.post("/login", data=form, headers={"Origin": str(service.client.base_url).rstrip("/")})
    service.log_in()
    found = scrape(service)
    logins = {result[0]: number for result, number in values(found, "telemetry_logins").items()}
    assert logins == {"succeeded": 1, "failed": 5, "blocked": 1, "identity_refused": 0}
    events = values(found, "telemetry_events")
    assert events["login_failed",] == 5
    assert events["ledger_written",] > 0


def test_an_event_counts_that_the_level_of_the_log_leaves_out(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("CRITICAL"):
        before = values(scrape(service), "telemetry_events")["login_succeeded",]
        service.log_in()
    assert values(scrape(service), "telemetry_events")["login_succeeded",] == before + 1


def test_metrics_outlive_the_database_and_say_so(postgres_server: PostgresServer) -> None:
    clock = FrozenClock()
    url = postgres_server.create_database("telemetry")
    migrate(url)
    with Running(url, clock=clock) as service:
        assert values(scrape(service), "telemetry_database_up") == {(): 1}
        postgres_server.stop()
        clock.advance(timedelta(minutes=10, seconds=-1))
        found = scrape(service)
        assert values(found, "telemetry_database_up") == {(): 0}
        assert values(found, "telemetry_database_errors")["storage-unavailable",] > 0
        assert "telemetry_health" not in found
        assert values(found, "process_resident_memory_bytes")[()] > 0
        for path in ("telemetry/health", "telemetry/history"):
            assert service.call(Scope.READ, "GET", path).status_code == 503, path
        # A token that was never seen, and one that was seen too long ago, open nothing.
        assert service.call(Scope.ADMIN, "GET", "/metrics").status_code == 503
        clock.advance(timedelta(seconds=1))
        assert service.call(Scope.METRICS, "GET", "/metrics").status_code == 503
        postgres_server.start()


def test_a_token_that_is_revoked_reads_no_metrics_even_without_the_database(service: Running) -> None:
    scrape(service)
    tokens = service.context.authentication.tokens
    facts = next(one for one in tokens.list() if one.name == Scope.METRICS.value)
    tokens.revoke(facts.token_id, CLI)
    assert service.call(Scope.METRICS, "GET", "/metrics").status_code == 401
    assert tokens.verified_lately(service.tokens[Scope.METRICS]) is None


@ON_BOTH
def test_the_size_of_the_database_grows_with_what_it_holds(service: Running) -> None:
    before = values(scrape(service), "telemetry_database_size_bytes")[()]
    for _ in range(4):
        send(service, *(report() for _ in range(10_000)))
    assert values(scrape(service), "telemetry_database_size_bytes")[()] > before > 0


def test_a_license_server_in_trouble_shows_in_the_gauges(lived: Running, license_server: LicenseServer) -> None:
    license_server.trouble(Trouble(before=reply(503)))
    lived.call(Scope.ADMIN, "POST", "telemetry/send-now")
    assert values(scrape(lived), "telemetry_license_server_connected") == {(): 0}
    license_server.trouble()
    lived.call(Scope.ADMIN, "POST", "telemetry/history/retry-failed")
    found = scrape(lived)
    assert values(found, "telemetry_license_server_connected") == {(): 1}
    assert values(found, "telemetry_transmissions_waiting") == {(): 0}
    assert values(found, "telemetry_oldest_waiting_timestamp_seconds") == {(): 0}
