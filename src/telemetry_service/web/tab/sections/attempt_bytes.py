"""What is said of an attempt's bytes: only what was written is said to have left."""

from dataclasses import dataclass

from telemetry_service.domain.transmissions import Attempt


@dataclass(frozen=True, slots=True)
class BytesTexts:
    """The words for the bytes of one attempt."""

    title: str
    files: str
    body: str
    note: str
    """What stands before the number of the attempt."""
    no_response: str
    """What is said where no status came."""


_LEFT = BytesTexts("What was sent", "As sent", "as sent over the network", "As sent by", "no response")
_STAYED = BytesTexts(
    "What was prepared but not sent",
    "As prepared",
    "never sent",
    "Nothing was sent. Prepared by",
    "nothing was sent",
)
_PERHAPS = BytesTexts(
    "What may have been sent",
    "As prepared",
    "as prepared for the network",
    "Whether it was sent is unknown. Prepared by",
    "no response",
)
_LEAVING = BytesTexts(
    "What is being sent",
    "As prepared",
    "as prepared for the network",
    "Being sent. Prepared by",
    "no response yet",
)
NOT_YET = "What will be sent"
"""The title before the first attempt."""


def bytes_texts(attempt: Attempt) -> BytesTexts:
    """Return the words for what ``attempt`` prepared."""
    if attempt.finished_at is None:
        return _LEAVING
    return {True: _LEFT, False: _STAYED, None: _PERHAPS}[attempt.request_written]


def records_title(attempts: tuple[Attempt, ...]) -> str:
    """Return what the number of records is called: they are sent once any attempt may have sent them."""
    stayed = all(attempt.request_written is False for attempt in attempts)
    return "Records to send" if stayed else "Records sent"
