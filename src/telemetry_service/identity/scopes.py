"""What a caller may do."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """What a service token can be allowed: to report facts, to read, to change."""

    REPORT = "report"
    READ = "read"
    ADMIN = "admin"


_IMPLIED = {Scope.ADMIN: frozenset({Scope.READ})}
"""Whoever may change may see what is changed. Nothing implies ``report``: facts come from reporters alone."""

SESSION_SCOPES = frozenset({Scope.READ, Scope.ADMIN})
"""What the administrator may do in a browser."""


def granted(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes together with those that they imply."""
    held = frozenset(scopes)
    return held.union(*(_IMPLIED.get(scope, frozenset()) for scope in held))
