"""The days of a filter: what was typed, and what it means. Both histories of the tab are filtered by days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from telemetry_service.domain.timestamps import FIRST_DAY, LAST_DAY

_UNKNOWN = "A date is not valid, so no filter was applied. Type it as YYYY-MM-DD."
_BACKWARDS = "“From” is later than “To”, so no filter was applied."


@dataclass(frozen=True, slots=True)
class Days:
    """The days in an address: inclusive, UTC."""

    typed_from: str = ""
    typed_to: str = ""
    """As typed: a form shows it again, whether it can be used or not."""

    @property
    def wrong(self) -> str | None:
        """What is wrong with them; None if nothing is."""
        try:
            first, last = _day(self.typed_from), _day(self.typed_to)
        except ValueError:
            return _UNKNOWN
        return _BACKWARDS if first and last and first > last else None

    @property
    def first(self) -> date | None:
        """The first day; None if none is given, or if something is wrong."""
        return None if self.wrong else _day(self.typed_from)

    @property
    def last(self) -> date | None:
        """The last day; None if none is given, or if something is wrong."""
        return None if self.wrong else _day(self.typed_to)


ANY = Days()
"""No bound."""


def days_of(parameters: Mapping[str, str]) -> Days:
    """Return the days in the parameters of an address."""
    return Days(parameters.get("from", "").strip(), parameters.get("to", "").strip())


def _day(typed: str) -> date | None:
    if not typed:
        return None
    day = date.fromisoformat(typed)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError
    return day
