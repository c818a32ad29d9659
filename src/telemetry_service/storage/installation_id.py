"""The ID that sealed values are bound to. It stays when the installation gets a new public ID."""

from uuid import UUID

from sqlalchemy import select, type_coerce

from telemetry_service.storage.tables import Installation
from telemetry_service.storage.types import Id16, OrNone

NOWHERE = UUID(int=0)
"""In place of the ID while there is none: someone has deleted it, and nothing that was sealed can be opened."""

_SEALED_FOR = select(Installation.sealed_for).where(Installation.id == 1).scalar_subquery()
INSTALLATION = type_coerce(_SEALED_FOR, OrNone(Id16(), UUID, str(Installation.sealed_for))).label("installation")
"""A column of any query. Whatever someone has put there, it hides no other column."""
