"""The steps of a connection test are told one by one, and the verdict is the last thing said."""

from threading import Event

import pytest

from telemetry_service.domain.connection import StepName, Told
from telemetry_service.web.settings_tab.connection_test_view import running_view
from telemetry_service.web.settings_tab.step_stream import NEXT, stream_steps


def test_each_step_is_told_and_the_result_comes_last() -> None:
    def walk(told: Told) -> int:
        for step in (StepName.NAME, StepName.TCP):
            told(step)
        return 42

    told = list(stream_steps(walk, lambda step: f"{step} begins", lambda result: f"found {result}"))
    assert told == [f"name begins{NEXT}", f"tcp begins{NEXT}", "found 42"]


def test_a_step_is_told_before_the_test_goes_on() -> None:
    heard = Event()

    def walk(told: Told) -> bool:
        told(StepName.NAME)
        return heard.wait(60)

    stream = stream_steps(walk, str, lambda waited: f"was heard: {waited}")
    assert next(stream) == f"name{NEXT}"
    heard.set()
    assert next(stream) == "was heard: True"


def test_what_breaks_the_test_breaks_the_answer() -> None:
    def stumble(told: Told) -> None:
        told(StepName.NAME)
        raise LookupError

    with pytest.raises(LookupError):
        list(stream_steps(stumble, str, str))


@pytest.mark.parametrize("begun", list(StepName))
def test_the_steps_before_have_passed_and_those_behind_wait(begun: StepName) -> None:
    words = [step.sign.word for step in running_view(begun).steps]
    at = list(StepName).index(begun)
    assert words == ["passed"] * at + ["trying"] + ["waiting"] * (5 - at)
