"""Refuses what a call would ignore: parameters that it does not have, and conditions that it does not check.

Anyone who sent them expects another result: ``?dryrun=true`` would change everything.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from telemetry_service.web.api.parameters import only_if_new, tags_required, tags_seen
from telemetry_service.web.errors.explanations import name_of
from telemetry_service.web.errors.request_errors import FieldError, InputRefusedError, PreconditionUnreadError
from telemetry_service.web.security.csrf import SAFE_METHODS

_CONDITIONS: Mapping[str, frozenset[Callable[..., object]]] = {
    "If-Match": frozenset({tags_seen, tags_required}),
    "If-None-Match": frozenset({only_if_new}),
    "If-Unmodified-Since": frozenset(),
}
"""Who checks which condition. Others do not apply to calls that change something (RFC 9110, 13.1.3)."""


async def refuse_unread_parameters(request: Request) -> None:
    """Refuse a query with a name that the call does not have, or with one name twice, which is ambiguous.

    Raises:
        InputRefusedError: with the names.
    """
    if not request.query_params:
        return
    dependant = _dependant_of(request)
    known = set(_parameters_of(dependant)) if dependant else set()
    counts = Counter(name for name, _value in request.query_params.multi_items())
    unknown = sorted({name_of([name]) for name in counts if name not in known})
    repeated = sorted(name for name in known if counts[name] > 1)
    errors = [FieldError(name, "is not a parameter of this call") for name in unknown]
    if errors := [*errors, *(FieldError(name, "appears more than once") for name in repeated)]:
        raise InputRefusedError(errors)


def _parameters_of(dependant: Dependant) -> Iterator[str]:
    """Yield the names of a call's query, be they declared one by one or as the fields of a model."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (one.alias or name for name, one in kind.model_fields.items())
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from _parameters_of(inner)


async def refuse_unread_condition(request: Request) -> None:
    """Refuse a condition that the call does not check: it was meant to prevent a change.

    Raises:
        PreconditionUnreadError: this call changes something, whether the condition is met or not.
    """
    if request.method in SAFE_METHODS:
        return
    dependant = _dependant_of(request)
    called = {one.call for one in dependant.dependencies} if dependant is not None else set()
    if any(name in request.headers and not called & readers for name, readers in _CONDITIONS.items()):
        raise PreconditionUnreadError


def _dependant_of(request: Request) -> Dependant | None:
    """Return what the framework knows about the call."""
    return getattr(request.scope.get("route"), "dependant", None)
