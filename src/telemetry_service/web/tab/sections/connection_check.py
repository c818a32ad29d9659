"""The result of *Test Connection*: each step ticked and timed, and the verdict in plain words."""

from dataclasses import dataclass

from telemetry_service.domain.connection_check import ConnectionCheck, Step, StepName
from telemetry_service.domain.owner import Owner
from telemetry_service.web.tab.filters import duration
from telemetry_service.web.tab.labels import STEP, Badge

_PASSED = Badge("passed", "check", "good")
_TRYING = Badge("trying", "clock", "info")
_WAITING = Badge("waiting", "dash", "quiet")
_PATIENCE = "Testing the connection. This can take up to 30 seconds."
_STEP_SIGNS = {
    True: _PASSED,
    False: Badge("failed", "cross", "bad"),
    None: Badge("not tried", "dash", "quiet"),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step."""

    key: str
    name: str
    words: str
    sign: Badge
    passed: bool
    duration: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class ConnectionTestView:
    """The steps and the verdict."""

    steps: tuple[StepView, ...]
    verdict: Badge
    sentence: str
    next_step: str | None
    owner: Owner | None


def result_view(result: ConnectionCheck, *, unsaved_key: bool) -> ConnectionTestView:
    """Return the result of a test with the saved key, or with one that is not saved yet."""
    steps = tuple(_step(step) for step in result.steps)
    words = result.cause_texts
    if words is None:
        unsaved = " Works with the key you entered. Save to keep it."
        sentence = "Connection is working correctly." + (unsaved if unsaved_key else "")
        return ConnectionTestView(steps, Badge("Success", "check", "good"), sentence, None, None)
    return ConnectionTestView(steps, Badge("Failed", "cross", "bad"), words.sentence, words.next_step, words.owner)


def running_view(begun: StepName) -> ConnectionTestView:
    """Return the steps while one of them is under way: those before it have passed, those behind it wait."""
    order = list(StepName)
    at = order.index(begun)
    signs = (_PASSED if n < at else _TRYING if n == at else _WAITING for n in range(len(order)))
    steps = (_view(name, sign, "", None) for name, sign in zip(order, signs, strict=True))
    return ConnectionTestView(tuple(steps), Badge("Testing", "clock", "info"), _PATIENCE, None, None)


def refused_view(sentence: str) -> ConnectionTestView:
    """Return why no test was made."""
    return ConnectionTestView((), Badge("Not tested", "warning", "warn"), sentence, None, None)


def _step(step: Step) -> StepView:
    return _view(step.name, _STEP_SIGNS[step.ok], duration(step.duration_ms), step.detail)


def _view(name: StepName, sign: Badge, shown: str, detail: str | None) -> StepView:
    words, passed = STEP[name], sign is _PASSED
    return StepView(name.value, words.name, words.passed if passed else words.tried, sign, passed, shown, detail)
