"""The commands that docs/operations.md tells its readers to run."""

from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def shell_of(heading: str) -> list[str]:
    """Return the lines of the shell blocks below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    _, _, rest = _PAGE.read_text().partition(f"\n{heading}\n")
    assert rest, f"there is no {heading}"
    ends = [rest.find(f"\n{'#' * depth} ") for depth in range(2, len(level) + 1)]
    section = rest[: min((end for end in ends if end >= 0), default=len(rest))]
    blocks = section.split("```sh\n")[1:]
    return [line for block in blocks for line in block.partition("```")[0].splitlines()]
