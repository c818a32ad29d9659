"""The page about reliability names tests, and each of them exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


def test_each_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`([a-z_]+/test_[a-z_]+\.py)`: `([a-z0-9_]+)`", PAGE)
    assert len(named) > 50
    for file, name in named:
        assert f"def test_{name}(" in (ROOT / "tests" / file).read_text(), name
