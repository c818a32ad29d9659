"""What the ledger says of the deployment's settings: all of them, so that no new one can be forgotten."""

import json
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from datetime import timedelta
from enum import Enum

from telemetry_service.domain.configuration import Deployment
from telemetry_service.domain.issuers import Doors
from telemetry_service.domain.ledger import Value

_KEYED = frozenset({"customer_id", "public_url", "console_url", "frame_ancestors", "doors"})
"""What the caller adds in a form that identifies no one: the name of a host often names the customer."""


def deployed_settings(deployment: Deployment) -> dict[str, Value]:
    """Return all settings by their names, except those that identify someone."""
    return dict(_settings(deployment))


def described(doors: Doors) -> str:
    """Return who may log in, and how, as text for a keyed digest: of the client's secret, only whether it is set."""
    proxy = doors.proxy_url and doors.proxy_url.get_secret_value()
    return json.dumps({**asdict(doors), "proxy_url": proxy}, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value)  # A path, or a secret, which writes itself as asterisks.


def _settings(holder: object) -> Iterator[tuple[str, Value]]:
    assert is_dataclass(holder)  # noqa: S101 - as its fields below
    for name in (field.name for field in fields(holder) if field.name not in _KEYED):
        value = getattr(holder, name)
        if is_dataclass(value):
            yield from _settings(value)
        elif isinstance(value, timedelta):
            yield f"{name}_seconds", int(value.total_seconds())
        else:
            yield name, _written(value)


def _written(value: object) -> Value:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, tuple):
        return [_written(member) for member in value]
    return str(value.value if isinstance(value, Enum) else value)
