"""The result of *Test Connection*: each step ticked and timed, and the verdict in plain words."""

from dataclasses import dataclass

from telemetry_service.domain.connection import ConnectionTest, Step, StepName
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.row_words import cause_of_test
from telemetry_service.web.settings_tab.figures import duration
from telemetry_service.web.settings_tab.words import STEP, Sign

_PASSED = Sign("passed", "check", "good")
_TRYING = Sign("trying", "clock", "info")
_WAITING = Sign("waiting", "dash", "quiet")
_PATIENCE = "The connection is being tried. Where nobody answers, this takes up to half a minute."
_STEP_SIGNS = {
    True: _PASSED,
    False: Sign("failed", "cross", "bad"),
    None: Sign("not tried", "dash", "quiet"),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step."""

    key: str
    name: str
    words: str
    sign: Sign
    passed: bool
    duration: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class ConnectionTestView:
    """The steps and the verdict."""

    steps: tuple[StepView, ...]
    verdict: Sign
    sentence: str
    next_step: str | None
    owner: Owner | None


def result_view(result: ConnectionTest, *, unsaved_key: bool) -> ConnectionTestView:
    """Return the result of a test with the saved key, or with one that is not saved yet."""
    steps = tuple(_step(step) for step in result.steps)
    words = cause_of_test(result.cause)
    if words is None:
        unsaved = " It works with the key you entered. Save to keep it."
        sentence = "Connection is working correctly." + (unsaved if unsaved_key else "")
        return ConnectionTestView(steps, Sign("Success", "check", "good"), sentence, None, None)
    return ConnectionTestView(steps, Sign("Failed", "cross", "bad"), words.sentence, words.next_step, words.owner)


def running_view(begun: StepName) -> ConnectionTestView:
    """Return the steps while one of them is under way: those before it have passed, those behind it wait."""
    order = list(StepName)
    at = order.index(begun)
    signs = (_PASSED if n < at else _TRYING if n == at else _WAITING for n in range(len(order)))
    steps = (_view(name, sign, "", None) for name, sign in zip(order, signs, strict=True))
    return ConnectionTestView(tuple(steps), Sign("Testing", "clock", "info"), _PATIENCE, None, None)


def refused_view(sentence: str) -> ConnectionTestView:
    """Return why no test was made."""
    return ConnectionTestView((), Sign("Not tested", "warning", "warn"), sentence, None, None)


def _step(step: Step) -> StepView:
    return _view(step.name, _STEP_SIGNS[step.ok], duration(step.duration_ms), step.detail)


def _view(name: StepName, sign: Sign, shown: str, detail: str | None) -> StepView:
    words, passed = STEP[name], sign is _PASSED
    return StepView(name.value, words.name, words.passed if passed else words.tried, sign, passed, shown, detail)
