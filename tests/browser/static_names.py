"""Which names the templates give to elements, and which ones the stylesheets and the scripts look for."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import tinycss2
from tinycss2.ast import (
    AtRule,
    FunctionBlock,
    HashToken,
    IdentToken,
    LiteralToken,
    Node,
    QualifiedRule,
    SquareBracketsBlock,
)

_JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_QUERY = re.compile(r'(?:querySelector|querySelectorAll|closest|matches)(?:\?\.)?\(\s*"([^"]+)"')
_ID = re.compile(r'getElementById\("([^"]+)"\)|"#([a-z-]+)"')
_READ = re.compile(r'dataset\.(\w+)|"(\w+)" in [\w.]+\.dataset|\{ (\w+) \} = [\w.]+\.dataset')
_TOGGLED = re.compile(r'toggleAttribute\("(data-[a-z-]+)"')
_WRITTEN = re.compile(r"dataset\.(\w+) (?:\?\?)?= ")
_CLASS = re.compile(r'class(?:Name)?(?:="|: ")([^"]*)"')
_ADDED = re.compile(r'classList\.add\("([a-z-]+)"\)')
_DATA = re.compile(r"[\s}](data-[a-z-]+)")
_ELEMENT = re.compile(r"<([a-z][a-z0-9]*)")
_STATIC_ID = re.compile(r'\sid="([^"{]+)"')


@dataclass
class Names:
    """Names of one kind each."""

    classes: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    elements: set[str] = field(default_factory=set)

    def add_selector(self, selector: Iterable[Node]) -> None:
        """Add each name that stands in a selector, however deep."""
        previous = ""
        for token in selector:
            self._add_token(token, previous)
            previous = token.value if isinstance(token, LiteralToken) else ""

    def _add_token(self, token: Node, previous: str) -> None:
        match token:
            case IdentToken() if previous == ".":
                self.classes.add(token.value)
            case IdentToken() if previous != ":":
                self.elements.add(token.value)
            case HashToken():
                self.ids.add(token.value)
            case SquareBracketsBlock(content=[IdentToken(value=name), *_]) if name.startswith("data-"):
                self.data.add(name)
            case FunctionBlock() if not token.lower_name.startswith("nth-"):
                self.add_selector(token.arguments)


def rules_of(text: str) -> list[QualifiedRule | AtRule]:
    """Return all rules of a stylesheet, those within others too."""
    return list(_walk(tinycss2.parse_stylesheet(text)))


def _walk(nodes: Iterable[Node]) -> Iterator[QualifiedRule | AtRule]:
    for node in nodes:
        if not isinstance(node, QualifiedRule | AtRule):
            continue
        yield node
        if not is_keyframes(node):
            yield from _walk(tinycss2.parse_blocks_contents(node.content or []))


def is_keyframes(rule: QualifiedRule | AtRule) -> bool:
    """Whether a rule names an animation: what stands in it are moments and no selectors."""
    return isinstance(rule, AtRule) and rule.lower_at_keyword == "keyframes"


def names_in_styles(text: str) -> Names:
    """Return what the selectors of a stylesheet look for."""
    names = Names()
    for rule in rules_of(text):
        if isinstance(rule, QualifiedRule):
            names.add_selector(rule.prelude)
    return names


def names_in_scripts(text: str) -> Names:
    """Return what scripts look for: in selectors, by id, and in an element's data."""
    names = Names()
    for selector in _QUERY.findall(text):
        names.add_selector(tinycss2.parse_component_value_list(selector))
    names.ids.update(_groups(_ID, text))
    names.data.update(_attribute(name) for name in _groups(_READ, text))
    return names


def names_given_by_scripts(text: str) -> Names:
    """Return what scripts give to elements."""
    classes = {name for words in _CLASS.findall(text) for name in words.split()} | set(_ADDED.findall(text))
    data = {_attribute(name) for name in _WRITTEN.findall(text)} | set(_TOGGLED.findall(text))
    return Names(classes=classes, data=data)


def names_in_template(text: str) -> Names:
    """Return what a template gives to its elements."""
    plain = _JINJA.sub(" ", text)
    return Names(
        classes={name for words in _CLASS.findall(plain) for name in words.split()},
        ids=set(_STATIC_ID.findall(plain)),
        data=set(_DATA.findall(plain)),
        elements=set(_ELEMENT.findall(text)),
    )


def _groups(pattern: re.Pattern[str], text: str) -> set[str]:
    return {next(group for group in match.groups() if group) for match in pattern.finditer(text)}


def _attribute(name: str) -> str:
    """Return the attribute behind a member of ``dataset``."""
    return "data-" + re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
