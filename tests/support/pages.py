"""The commands that README.md and deploy/README.md tell their readers to run."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
README = _ROOT / "README.md"
DEPLOY = _ROOT / "deploy" / "README.md"


def commands(page: Path, after: str, number: int = 0) -> str:
    """Return a shell block of a page: the first, or the one with this ``number``, after a text that it has once."""
    text = page.read_text()
    assert text.count(after) == 1, f"{page.name} has this {text.count(after)} times: {after}"
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", text.partition(after)[2], re.DOTALL)
    return blocks[number]
