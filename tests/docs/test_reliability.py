"""The page about reliability names tests that exist, and the README gives its numbers."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


def test_each_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`([a-z_]+/test_[a-z_]+\.py)`: `([a-z0-9_]+)`", PAGE)
    assert len(named) > 50
    for file, name in named:
        assert f"def test_{name}(" in (ROOT / "tests" / file).read_text(), name


def test_the_readme_gives_the_sums_of_the_runs_in_the_page() -> None:
    readme = (ROOT / "README.md").read_text()
    for line, said in {
        "processes killed (SIGKILL)": "**{} times**",
        "faults besides": "among {} other faults",
        "usage reports acknowledged": "{} usage reports acknowledged",
        "extension codes accepted, each once": "{} extension",
    }.items():
        counts = re.findall(rf"^{re.escape(line)} +([\d,]+)$", PAGE, re.MULTILINE)
        assert len(counts) == 2, line
        assert said.format(f"{sum(int(count.replace(',', '')) for count in counts):,}") in readme
