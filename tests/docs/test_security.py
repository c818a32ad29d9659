"""The security page accounts for every requirement of ASVS levels 1 and 2, and names tests that exist."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
STANDARD = [
    line
    for line in (Path(__file__).parent / "asvs_5_0_0.txt").read_text().split()
    if line.startswith("V") and line[1].isdigit()
]
FINDINGS = {"S1", "S5", "M1", "M2", "M6", "M7", "I1", "I2", "I3", "I9"}
"""On access, and those beside it that were tested together."""

LISTS = ("### Claimed", "### Not applicable", "### Up to the deployment", "### Not met")


def _list(heading: str) -> str:
    return PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]


def _requirements(text: str) -> list[str]:
    return re.findall(r"\bV\d+\.\d+\.\d+\b", text)


@cache
def _source(file: str) -> str:
    return (ROOT / "tests" / file).read_text()


def test_every_requirement_of_both_levels_is_in_exactly_one_list() -> None:
    assert len(STANDARD) == 253
    listed = Counter(requirement for heading in LISTS for requirement in _requirements(_list(heading)))
    assert [requirement for requirement in STANDARD if listed[requirement] != 1] == []
    assert sorted(set(listed) - set(STANDARD)) == []


def test_a_dependency_with_a_vulnerability_has_a_time_to_be_replaced() -> None:
    policy = (ROOT / "SECURITY.md").read_text().split("## Dependencies\n", 1)[1].split("\n## ", 1)[0]
    days = {row: int(found[1]) for row in policy.splitlines() if (found := re.search(r"\| ([0-9]+) days", row))}
    for severity in ("critical", "high", "medium", "low", "newer version"):
        assert any(severity in row for row in days), severity
    assert list(days.values()) == sorted(days.values()), "the worse it is, the sooner"
    for file in re.findall(r"`(\S+/\S+)`", policy):
        assert list(ROOT.glob(file)), file


def test_every_claim_and_every_finding_names_a_test_that_exists() -> None:
    rows = [line for line in _list("### Claimed").splitlines() if line.startswith("| V")]
    assert len(rows) == len(_requirements(_list("### Claimed")))
    findings = [line for line in _list("## Findings of the reviews").splitlines() if re.match(r"\| [A-Z]\d", line)]
    assert {row.split()[1] for row in findings} >= FINDINGS
    for row in rows + findings:
        shown = re.findall(r"`([a-z_/]+/test_[a-z_]+\.py)`: `([a-z0-9_]+)`", row)
        assert shown, row
        for file, name in shown:
            assert f"def test_{name}(" in _source(file), (file, name)
