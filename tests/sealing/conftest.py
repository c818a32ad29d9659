"""The known answers, made with other software than ours."""

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[2] / "docs" / "protocol" / "vectors.json"


@pytest.fixture(scope="session")
def known() -> dict[str, Any]:
    """The vectors."""
    vectors: dict[str, Any] = json.loads(VECTORS.read_text("utf-8"))
    return vectors
