"""Reads the license that an answer of the License Server carries. It is judged apart from the acceptance.

Whatever is wrong with it, the payload is there: so a value that this version does not know is taken as
``unknown``, and what cannot be read at all is left out. Both are noted.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from telemetry_service.domain.outcome import LicenseUpdate, Note
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.timestamps import parse_moment


def read_license(block: object) -> tuple[LicenseUpdate | None, tuple[Note, ...]]:
    """Return what a license block says, None where it says nothing that can be read; and what there is to note."""
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
    news = LicenseUpdate(_known(Tier, tier), _known(LicenseStatus, status), _moment(block.get("expires_at")))
    taken_as_told = (news.tier, news.license_status) == (tier, status)
    return news, () if taken_as_told else (Note.LICENSE_VALUE_UNKNOWN,)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _known(values: type[StrEnum], text: str) -> str:
    return text if text in set(values) else "unknown"


def _moment(value: object) -> datetime | None:
    return None if value is None else parse_moment(_text(value))
