"""What is said of an attempt's bytes: only what was written is said to have left."""

from dataclasses import dataclass

from telemetry_service.domain.transmissions import Attempt


@dataclass(frozen=True, slots=True)
class Departure:
    """The words for the bytes of one attempt."""

    title: str
    files: str
    body: str
    note: str
    """What stands before the number of the attempt."""
    answer: str
    """What is said where no status came."""


_LEFT = Departure("What left", "As sent", "as it crossed the network", "As sent by", "no answer")
_STAYED = Departure(
    "What was prepared, and did not leave",
    "As prepared",
    "never sent",
    "Nothing was sent: this is as it was prepared by",
    "nothing was sent",
)
_PERHAPS = Departure(
    "What may have left",
    "As prepared",
    "as it was to cross the network",
    "Whether it left is not known: this is as it was prepared by",
    "no answer",
)
_LEAVING = Departure(
    "What is being sent",
    "As prepared",
    "as it is to cross the network",
    "Being sent: this is as it was prepared by",
    "no answer yet",
)
NOT_YET = "What will leave"
"""The title before the first attempt."""


def departure(attempt: Attempt) -> Departure:
    """Return the words for what ``attempt`` prepared."""
    if attempt.finished_at is None:
        return _LEAVING
    return {True: _LEFT, False: _STAYED, None: _PERHAPS}[attempt.request_written]


def records_title(attempts: tuple[Attempt, ...]) -> str:
    """Return what the number of records is called: they are sent once any attempt may have sent them."""
    stayed = all(attempt.request_written is False for attempt in attempts)
    return "Records to send" if stayed else "Records sent"
