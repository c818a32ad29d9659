"""What the ledger says of reported facts and of the settings.

IDs of bouncers and customers, and extension codes, are salted: other services choose them.
"""

from datetime import datetime

from telemetry_service.domain.clock import rfc3339
from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.facts import (
    BouncerRegistration,
    ExtensionCode,
    LicensePosture,
    PostureChange,
    RegistryChange,
)
from telemetry_service.domain.ledger import Salted, Value


def of_bouncer(
    bouncer_id: str, before: BouncerRegistration | None, after: BouncerRegistration | None
) -> dict[str, Value]:
    """Describe a bouncer that was registered, changed or removed."""
    change = "registered" if before is None else "removed" if after is None else "changed"
    return {"of": "bouncers", "change": change, "bouncer_id": Salted(bouncer_id)}


def of_registry(change: RegistryChange) -> dict[str, Value]:
    """Describe a registry that was replaced."""
    numbers = {"added": len(change.added), "removed": len(change.removed), "changed": len(change.changed)}
    return {"of": "bouncers", "change": "replaced", **numbers}


def of_license(change: PostureChange) -> dict[str, Value]:
    """Describe what changed in the license posture."""
    old, new = dict(change.old), dict(change.new)
    changed = {name: _license_value(name, old[name], new[name]) for name in new if old[name] != new[name]}
    return {"of": "license", "changes": changed}


def settings_as_said(settings: Configuration) -> dict[str, Value]:
    """Return all settings as an entry says them; every value is one of a closed set."""
    return dict(settings.model_dump(mode="json"))


def license_as_said(license_: LicensePosture) -> dict[str, Value]:
    """Return the whole license posture as an entry says it."""
    said = dict(license_)
    customer = said.pop("customer_id")
    written: dict[str, Value] = {name: _written(value) for name, value in said.items()}
    return written | {"customer_id": None if customer is None else Salted(str(customer))}


def of_code(code: ExtensionCode) -> dict[str, Value]:
    """Describe a redeemed extension code."""
    return {"of": "extension_code", "code_id": Salted(code.code_id), "redeemed_at": rfc3339(code.redeemed_at)}


def _license_value(name: str, old: object, new: object) -> Value:
    """Return a change as ``old -> new``; of a customer, only who it is now."""
    if name == "customer_id":
        return None if new is None else Salted(str(new))
    return f"{_written(old)} -> {_written(new)}"


def _written(value: object) -> str:
    if value is None:
        return "none"
    return rfc3339(value) if isinstance(value, datetime) else str(value)
