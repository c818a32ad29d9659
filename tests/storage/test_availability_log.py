"""The log says when the database stops to be of use and when it is again, and not once for each call."""

import pytest

from telemetry_service.domain.errors import StorageFullError, StorageUnavailableError
from telemetry_service.log.events import Event
from telemetry_service.storage.availability_log import QUIET_SECONDS, AvailabilityLog
from tests.support.log_lines import lines_in


class Monotonic:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def watch(monotonic: Monotonic, caplog: pytest.LogCaptureFixture) -> AvailabilityLog:
    caplog.set_level("INFO")
    return AvailabilityLog(monotonic)


def _fail(
    watch: AvailabilityLog, kind: type[StorageUnavailableError] = StorageFullError, *, writing: bool = True
) -> None:
    with pytest.raises(kind), watch.watching(writing=writing):
        raise kind


def _work(watch: AvailabilityLog, *, writing: bool = True) -> None:
    with watch.watching(writing=writing):
        pass


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(line["event"], line["code"]) for line in lines_in(caplog)]


def test_a_failure_is_logged_when_it_begins_and_ends_however_many_calls_meet_it(
    watch: AvailabilityLog, monotonic: Monotonic, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        _fail(watch)
    monotonic.now += 90
    _fail(watch)
    _work(watch)
    _work(watch)
    assert _logged(caplog) == [(Event.STORAGE_FAILED, "storage-full"), (Event.STORAGE_RECOVERED, "storage-full")]
    assert lines_in(caplog)[-1]["duration_ms"] == 90_000


def test_a_disk_that_is_full_is_not_well_again_because_it_can_be_read(
    watch: AvailabilityLog, caplog: pytest.LogCaptureFixture
) -> None:
    _fail(watch)
    _work(watch, writing=False)
    assert _logged(caplog) == [(Event.STORAGE_FAILED, "storage-full")]


def test_a_server_that_could_not_be_reached_is_back_as_soon_as_it_can_be_read(
    watch: AvailabilityLog, caplog: pytest.LogCaptureFixture
) -> None:
    _fail(watch, StorageUnavailableError, writing=False)
    _work(watch, writing=False)
    assert [event for event, _code in _logged(caplog)] == [Event.STORAGE_FAILED, Event.STORAGE_RECOVERED]


def test_each_kind_of_failure_is_logged(watch: AvailabilityLog, caplog: pytest.LogCaptureFixture) -> None:
    _fail(watch)
    _fail(watch, StorageUnavailableError)
    _work(watch)
    assert [code for _event, code in _logged(caplog)] == ["storage-full", "storage-unavailable"] * 2


def test_a_failure_that_comes_and_goes_is_logged_once_a_minute(
    watch: AvailabilityLog, monotonic: Monotonic, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(QUIET_SECONDS * 2):
        _fail(watch)
        _work(watch)
        monotonic.now += 1
    assert [event for event, _code in _logged(caplog)] == [Event.STORAGE_FAILED, Event.STORAGE_RECOVERED] * 2
