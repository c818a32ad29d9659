"""Rules between the fields of one object. The payload's model and its published schemas share these definitions.

Each rule assumes that its fields are valid on their own: the numbers are integers, the list is a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sum:
    """The parts add up to the total."""

    parts: tuple[str, ...]
    total: str
    meaning: str

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the rule connects."""
        return (*self.parts, self.total)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether ``values`` keep the rule."""
        return bool(sum(values[part] for part in self.parts) == values[self.total])


@dataclass(frozen=True, slots=True)
class NotAbove:
    """One number does not exceed another."""

    smaller: str
    larger: str
    meaning: str

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the rule connects."""
        return (self.smaller, self.larger)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether ``values`` keep the rule."""
        return bool(values[self.smaller] <= values[self.larger])


@dataclass(frozen=True, slots=True)
class Distinct:
    """A list contains nothing twice."""

    name: str
    meaning: str

    @property
    def names(self) -> tuple[str, ...]:
        """The field that the rule is about."""
        return (self.name,)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether ``values`` keep the rule."""
        return len(set(values[self.name])) == len(values[self.name])


Rule = Sum | NotAbove | Distinct
