"""What a caller may do."""

from collections.abc import Iterable
from enum import StrEnum

from telemetry_service.domain.person import Role


class Scope(StrEnum):
    """What a service token can be allowed: to report facts, to read, to change, or only to read the metrics."""

    REPORT = "report"
    READ = "read"
    ADMIN = "admin"
    METRICS = "metrics"


_IMPLIED = {Scope.ADMIN: frozenset({Scope.READ, Scope.METRICS}), Scope.READ: frozenset({Scope.METRICS})}
"""A caller that may change something may also read it. Nothing implies ``report``: facts come only from reporters."""

SESSION_SCOPES = frozenset({Scope.READ, Scope.ADMIN, Scope.METRICS})
"""What a person can be allowed in a browser."""

_OF_ROLE = {Role.VIEWER: frozenset({Scope.READ, Scope.METRICS}), Role.ADMINISTRATOR: SESSION_SCOPES}


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return what a person with this role may do."""
    return _OF_ROLE[role]


def granted(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """Return the scopes and those that they imply."""
    held = frozenset(scopes)
    return held.union(*(_IMPLIED.get(scope, frozenset()) for scope in held))
