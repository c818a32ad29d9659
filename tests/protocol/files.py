"""What is published under ``docs/protocol``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import json_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "protocol.md"
FOLDER = DOCS / "protocol"
VECTORS: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text("utf-8"))


def validator(name: str) -> "Draft202012Validator":
    """Return a schema's validator."""
    return json_schema.validator(json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8")))
