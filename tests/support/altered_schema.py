"""Schema documents that differ from the current one, as another version would publish them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rfc8785

from telemetry_service.domain.payload_schemas.parse import parse_schema
from telemetry_service.domain.payload_schemas.published import FOLDER, current_schema
from telemetry_service.domain.payload_schemas.schema import PayloadSchema

Json = dict[str, Any]
Alteration = Callable[[Json], None]

NEW_FIELD = "policy_count"


def altered_document(*alterations: Alteration) -> bytes:
    """Return the document of the current schema after some alterations."""
    document = json.loads((FOLDER / f"{current_schema().sha256}.json").read_bytes())
    for alter in alterations:
        alter(document)
    return rfc8785.dumps(document)


def altered(*alterations: Alteration) -> PayloadSchema:
    """Return the current schema after some alterations."""
    return parse_schema(altered_document(*alterations))


def published_in(folder: Path, *documents: bytes) -> Path:
    """Write documents into a folder, as they are published, and return it."""
    folder.mkdir(exist_ok=True)
    for document in documents:
        (folder / f"{hashlib.sha256(document).hexdigest()}.json").write_bytes(document)
    return folder


def field(document: Json, name: str) -> Json:
    """Return the field with this dotted name."""
    outer, _, inner = name.partition(".")
    found: Json = next(each for each in document["fields"] if each["name"] == outer)
    return field(found["type"], inner) if inner else found


def add_a_field(document: Json) -> None:
    """Add a count, in the middle."""
    entry = {"meaning": "Policies.", "why": "To count them", "source": "The Control Plane", "example": 3}
    allowed = {"kind": "integer", "minimum": 0, "maximum": 1000}
    document["fields"].insert(4, {"name": NEW_FIELD, "type": allowed, "nullable": False, **entry})


def remove(name: str) -> Alteration:
    """Remove a field, and every rule that names it."""

    def alter(document: Json) -> None:
        document["fields"].remove(field(document, name))
        document["rules"] = [rule for rule in document["rules"] if name not in json.dumps(rule)]

    return alter


def change(name: str, **members: object) -> Alteration:
    """Change the type of a field."""
    return lambda document: field(document, name)["type"].update(members)


def reword(document: Json) -> None:
    """Change every word and no value."""
    for each in document["fields"]:
        each.update(meaning="Otherwise.", why="Reworded", source="Elsewhere", example=None)
    for rule in document["rules"]:
        rule["meaning"] = "Otherwise."
