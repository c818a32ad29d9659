"""One replica of the service under torture: it records without a pause and does everything else at random."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from telemetry_service.domain.errors import TelemetryError
from telemetry_service.domain.schedule import Frequency
from telemetry_service.pipeline.actions.configure import save_configuration, set_api_key
from telemetry_service.pipeline.actions.report_facts import redeem_code
from telemetry_service.pipeline.actions.retry import retry_failed
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.preview import build_preview
from telemetry_service.pipeline.runtime import Failpoint, Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.purge import purge
from telemetry_service.pipeline.stages.record import Recorder
from telemetry_service.pipeline.stages.sweep import sweep
from telemetry_service.pipeline.stages.tick import wake
from tests.support.actors import ADMIN, OPS
from tests.support.license_server import API_KEY
from tests.support.shared_clock import SharedClock
from tests.support.site import Replica
from tests.torture.usage_source import Receipts, batch, code

SECOND_API_KEY = "ck_test_the_second_key_4WmY"
_BREATH = 0.004


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to know; with a failpoint it kills itself when it has come there so many times."""

    replica: Replica
    folder: Path
    reporter: int
    seed: int
    die_at: Failpoint | None
    die_after: int
    may_switch: bool
    """Whether it may switch telemetry off."""

    @property
    def ready_file(self) -> Path:
        """There once the replica is open."""
        return self.folder / f"ready-{self.seed}"


def live(work: Work) -> None:
    """Work until killed. What goes wrong without being one of the service's own errors is written down."""
    try:
        _work(work)
    except TelemetryError:
        pass  # The database was not to be had; the next start finds it again.
    except BaseException:
        (work.folder / f"unexpected-{work.seed}").write_text(traceback.format_exc())
        raise


def _work(work: Work) -> None:
    random = Random(work.seed)  # noqa: S311 - chance, not a secret
    runtime = work.replica.open(SharedClock(work.folder / "clock"), _assassin(work))
    recorder = Recorder(runtime)
    recorder.start()
    work.ready_file.touch()
    threading.Thread(target=_report, args=(work, runtime, recorder), daemon=True).start()
    deeds = {deed: weight for deed, weight in _WEIGHTED.items() if work.may_switch or deed is not _switch}
    while True:
        _forgiving(random.choices(list(deeds), list(deeds.values()))[0], runtime, random)
        time.sleep(_BREATH)


def _assassin(work: Work) -> Callable[[Failpoint], None]:
    visits = 0

    def watch(failpoint: Failpoint) -> None:
        nonlocal visits
        visits += failpoint is work.die_at
        if work.die_at is not None and visits > work.die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


def _report(work: Work, runtime: Runtime, recorder: Recorder) -> None:
    """Report batch after batch; one without a response is reported again."""
    receipts = Receipts(work.folder, work.reporter)
    number = receipts.next_number()
    try:
        while True:
            if _reported(runtime, recorder, work.reporter, number):
                receipts.acknowledged(number)
                number += 1
            time.sleep(_BREATH)
    except BaseException:
        (work.folder / f"unexpected-{work.seed}-reporting").write_text(traceback.format_exc())
        raise


def _reported(runtime: Runtime, recorder: Recorder, reporter: int, number: int) -> bool:
    try:
        redeemed = code(reporter, number)
        if redeemed is not None:
            redeem_code(runtime, redeemed, OPS)
        recorder.submit(batch(reporter, number)).result()
    except TelemetryError:
        return False
    return True


def _forgiving(deed: Callable[[Runtime, Random], object], runtime: Runtime, random: Random) -> None:
    try:
        deed(runtime, random)
    except TelemetryError:
        time.sleep(_BREATH)


def _change_configuration(runtime: Runtime, random: Random) -> None:
    stored = read_now(runtime, read_configuration).stored
    change: dict[str, object] = random.choice(
        [
            {"frequency": random.choice(list(Frequency))},
            {"encrypt_payload": random.random() < 0.5},
            {"anonymize_pii": random.random() < 0.5},
            {"retention_days": random.choice([30, 90])},
        ]
    )
    save_configuration(runtime, stored.values.model_copy(update=change), stored.version, ADMIN)


def _switch(runtime: Runtime, random: Random) -> None:
    """Switch telemetry off for a moment."""
    for enabled in (False, True):
        stored = read_now(runtime, read_configuration).stored
        values = stored.values.model_copy(update={"enabled": enabled})
        save_configuration(runtime, values, stored.version, ADMIN)
        time.sleep(random.random() * _BREATH)


def _switch_on(runtime: Runtime, _random: Random) -> None:
    """Switch telemetry on, in case that who switched it off has died."""
    stored = read_now(runtime, read_configuration).stored
    if not stored.values.enabled:
        values = stored.values.model_copy(update={"enabled": True})
        save_configuration(runtime, values, stored.version, ADMIN)


_WEIGHTED: dict[Callable[[Runtime, Random], object], int] = {
    lambda runtime, _: wake(runtime): 12,
    lambda runtime, _: send_now(runtime, ADMIN, None): 3,
    lambda runtime, _: retry_failed(runtime, ADMIN): 2,
    lambda runtime, random: set_api_key(runtime, random.choice([API_KEY, SECOND_API_KEY]), ADMIN): 1,
    lambda runtime, _: read_now(runtime, build_preview): 1,
    lambda runtime, _: purge(runtime): 1,
    lambda runtime, _: sweep(runtime): 4,
    _change_configuration: 1,
    _switch: 1,
    _switch_on: 4,
}
