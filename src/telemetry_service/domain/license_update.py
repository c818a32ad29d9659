"""Reads the license in a response of the License Server, independently of the acceptance.

The payload has arrived even if the license is wrong, so a value that this version does not know becomes ``unknown``,
and what cannot be read is ignored. Both are noted.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from telemetry_service.domain.outcome import LicenseUpdate, Note
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.timestamps import parse_moment


def read_license(block: object) -> tuple[LicenseUpdate | None, tuple[Note, ...]]:
    """Return the update in a license block, or None if it is unreadable, and what to note about it."""
    if block is None:
        return None, ()
    try:
        return _read(block)
    except ValueError:
        return None, (Note.LICENSE_DROPPED,)


def _read(block: object) -> tuple[LicenseUpdate, tuple[Note, ...]]:
    if not isinstance(block, Mapping):
        raise ValueError  # noqa: TRY004 - unreadable like any other
    tier, status = _text(block.get("tier")), _text(block.get("license_status"))
    update = LicenseUpdate(_known(Tier, tier), _known(LicenseStatus, status), _moment(block.get("expires_at")))
    understood = (update.tier, update.license_status) == (tier, status)
    return update, () if understood else (Note.LICENSE_VALUE_UNKNOWN,)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _known(values: type[StrEnum], text: str) -> str:
    return text if text in set(values) else "unknown"


def _moment(value: object) -> datetime | None:
    return None if value is None else parse_moment(_text(value))
