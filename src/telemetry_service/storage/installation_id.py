"""The ID that sealed values are bound to. It stays when the installation gets a new public ID."""

from uuid import UUID

from sqlalchemy import select

from telemetry_service.storage.tables import Installation

NOWHERE = UUID(int=0)
"""In place of the ID while there is none: someone has deleted it, and nothing that was sealed can be opened."""

INSTALLATION = select(Installation.sealed_for).where(Installation.id == 1).scalar_subquery().label("installation")
"""A column of any query."""
