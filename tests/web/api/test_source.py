"""What the API, the metrics, and the tab say of the source."""

from pathlib import Path

from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.catch_up import catch_up, plan_catch_up
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from tests.support.actors import ADMIN
from tests.support.child import LONG_AGO
from tests.support.running import Running
from tests.support.source import other, sqlite_audit_table

TAB = "/settings/general/telemetry"


def test_the_state_of_the_source_is_the_same_everywhere(sqlite_url: str, tmp_path: Path) -> None:
    audit = sqlite_audit_table(tmp_path)
    audit.write(*[other()] * 30)
    with Running(sqlite_url, {"TELEMETRY_SOURCE_DATABASE_URL": audit.reader_url}) as running:
        runtime = running.context.runtime
        assert running.call(Scope.READ, "GET", "telemetry/source").json()["began_at"] is None
        read_up_to_now(runtime)
        audit.write(other(), other())
        read_up_to_now(runtime)
        runtime.source_reading.share = 1_000
        steps = catch_up(runtime, plan_catch_up(runtime, LONG_AGO), ADMIN)
        next(steps)
        next(steps)
        Path(audit.owner_url).rename(tmp_path / "away")
        read_up_to_now(runtime)
        said = running.call(Scope.READ, "GET", "telemetry/source").json()
        assert (said["configured"], said["rows"], said["lag_seconds"], said["position"]) == (True, 12, 0, "33")
        assert (said["obstacle"]["code"], said["catch_up"]["counted"]) == ("source-away", 10)
        metrics = running.call(Scope.METRICS, "GET", "/metrics").text
        for line in ("rows_total 12.0", "lag_seconds 0.0", "stopped 1.0", "shared_bouncers 0.0"):
            assert f"telemetry_source_{line}\n" in metrics
        assert "telemetry_source_catch_up_ratio 0.33" in metrics
        running.client.cookies.update(running.log_in()[0])
        page = running.client.get(TAB).text
        assert "12 rows counted from the source database, up to " in page
        assert "Reading stopped on " in page
        assert "Catching up on older rows: 10 of 30 rows (33%)." in page


def test_without_a_source_nothing_is_said_of_one(sqlite_url: str) -> None:
    with Running(sqlite_url) as running:
        said = running.call(Scope.READ, "GET", "telemetry/source").json()
        assert said == {"configured": False, "rows": 0, "shared_bouncers": 0} | dict.fromkeys(
            ("began_at", "complete_until", "lag_seconds", "position", "obstacle", "catch_up")
        )
        assert "telemetry_source" not in running.call(Scope.READ, "GET", "/metrics").text
