"""The result of *Test Connection*: each step ticked and timed, and the verdict in plain words."""

from dataclasses import dataclass

from telemetry_service.domain.connection import ConnectionTest, Step, StepName
from telemetry_service.domain.outcome import EXPLANATIONS, Cause
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
_PASSING = frozenset({Cause.CONNECTION_LOST, Cause.DEADLINE_EXCEEDED, Cause.BUSY, Cause.SERVER_ERROR})
"""What may be over in a moment. A payload is then sent again by itself; a test is not made again by itself."""
_TEST_AGAIN = (
    "Test again in some minutes. If it keeps failing, check proxies and firewalls on the way.",
    "Control Core administrator",
)


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
class TestView:
    """The steps and the verdict."""

    __test__ = False  # The name is the field's word, and no test.

    steps: tuple[StepView, ...]
    verdict: Sign
    sentence: str
    next_step: str | None
    whose: str | None


def test_view(result: ConnectionTest, *, unsaved_key: bool) -> TestView:
    """Return the result of a test with the saved key, or with one that is not saved yet."""
    steps = tuple(_step(step) for step in result.steps)
    if result.cause is None:
        unsaved = " It was tested with the key you typed, which is not saved yet: save it."
        sentence = "Connection is working correctly." + (unsaved if unsaved_key else "")
        return TestView(steps, Sign("Success", "check", "good"), sentence, None, None)
    verdict = Sign("Failed", "cross", "bad")
    explanation = EXPLANATIONS[result.cause]
    if result.cause in _PASSING:
        return TestView(steps, verdict, explanation.sentence, *_TEST_AGAIN)
    return TestView(steps, verdict, explanation.sentence, explanation.next_step, explanation.whose)


test_view.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def running_view(begun: StepName) -> TestView:
    """Return the steps while one of them is under way: those before it have passed, those behind it wait."""
    order = list(StepName)
    at = order.index(begun)
    steps = (
        StepView(name.value, *STEP[name], _PASSED if n < at else _TRYING if n == at else _WAITING, n < at, "", None)
        for n, name in enumerate(order)
    )
    return TestView(tuple(steps), Sign("Testing", "clock", "info"), _PATIENCE, None, None)


def refused_view(sentence: str) -> TestView:
    """Return why no test was made."""
    return TestView((), Sign("Not tested", "warning", "warn"), sentence, None, None)


def _step(step: Step) -> StepView:
    name, words = STEP[step.name]
    shown = duration(step.duration_ms)
    return StepView(step.name.value, name, words, _STEP_SIGNS[step.ok], step.ok is True, shown, step.detail)
