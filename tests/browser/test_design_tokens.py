"""Colors, sizes of text, and spaces have names; no stylesheet but the one with the names writes another one."""

import re
from collections.abc import Iterator
from pathlib import Path

import tinycss2
from tinycss2.ast import Declaration, DimensionToken, FunctionBlock, HashToken, Node

from tests.browser.static_names import rules_of
from tests.browser.test_static_files import STATIC

TOKENS = STATIC / "styles" / "tokens.css"
SPACED = re.compile(r"(scroll-)?(padding|margin)(-.*)?|(row-|column-)?gap")
CHOSEN = {
    "font-size": r"inherit|var\(--cct-text-[a-z]+\)",
    "font": r"inherit|400 var\(--cct-text-body\) / var\(--cct-space-5\) var\(--cct-font\)",
    "font-weight": r"400|500|600",
    "line-height": r"inherit|var\(--cct-space-[0-9]+\)",
    "border-radius": r"inherit|0|(var\(--cct-radius(-[a-z]+)?\)|0)( (var\(--cct-radius(-[a-z]+)?\)|0))*",
}
"""What these properties may be."""
COLORS = {"rgb", "rgba", "hsl", "hsla", "oklch", "oklab", "lab", "lch", "hwb", "color", "color-mix", "light-dark"}
OVER_ALL = 128
"""The one space that is no space between things: how far from the end of the page the bar floats above it."""


def declarations(text: str) -> Iterator[Declaration]:
    for rule in rules_of(text):
        for node in tinycss2.parse_blocks_contents(rule.content or []):
            if isinstance(node, Declaration):
                yield node


def tokens_in(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, FunctionBlock):
            yield from tokens_in(node.arguments)


def is_raw(name: str, token: Node) -> bool:
    match token:
        case HashToken():
            return True
        case FunctionBlock():
            return token.lower_name in COLORS
        case DimensionToken() if SPACED.fullmatch(name):
            return token.unit == "px" and abs(token.value) not in (1, OVER_ALL)
    return False


def raw_in(text: str) -> list[str]:
    found = []
    for it in declarations(text):
        value = tinycss2.serialize(it.value).strip()
        chosen = CHOSEN.get(it.lower_name)
        wrong = chosen is not None and not re.fullmatch(chosen, value)
        if wrong or any(is_raw(it.lower_name, token) for token in tokens_in(it.value)):
            found.append(f"{it.name}: {value}")
    return found


def test_the_stylesheets_use_only_the_names() -> None:
    sheets: list[Path] = [path for path in (STATIC / "styles").iterdir() if path != TOKENS]
    assert {path.name: raw_in(path.read_text()) for path in sheets if raw_in(path.read_text())} == {}


def test_there_are_four_sizes_of_text_and_one_scale_of_spaces() -> None:
    named = dict(re.findall(r"--cct-(text-[a-z]+|space-[a-z0-9]+): (\d+)px;", TOKENS.read_text()))
    assert [name for name in named if name.startswith("text-")] == [
        "text-small",
        "text-body",
        "text-large",
        "text-title",
    ]
    spaces = {name.removeprefix("space-"): int(size) for name, size in named.items() if name.startswith("space-")}
    assert spaces.pop("half") == 2
    assert spaces == {name: 4 * int(name) for name in spaces}


def test_each_color_has_a_value_for_both_themes() -> None:
    one_theme = {"shadow", "shadow-low", "backdrop"}
    colored = re.findall(r"--cct-([a-z0-9-]+): (?:.*(?:#|rgb).*)", TOKENS.read_text())
    both = re.findall(r"--cct-([a-z0-9-]+): light-dark\(#\w+, #\w+\);", TOKENS.read_text())
    assert set(colored) - one_theme == set(both)


def test_a_raw_value_is_found() -> None:
    sheet = ".cct { a { color: #fff; margin: -3px 0 1px; font-size: 13px; border: 1px solid rgb(0 0 0); padding: 0 } }"
    assert raw_in(sheet) == ["color: #fff", "margin: -3px 0 1px", "font-size: 13px", "border: 1px solid rgb(0 0 0)"]
