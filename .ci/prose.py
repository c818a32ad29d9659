"""Fails if prose does not keep to the project's words: see prose.toml.

It reads the pages without their code, the templates without their tags, the sentences of the tab's scripts, the
docstrings, the comments and every string with a space in the Python sources, and the comments of the files that
configure, build and deploy the service.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = Path(__file__).with_suffix(".toml")
PAGES = ("*.md", "docs/*.md", "deploy/*.md", "clients/*/*.md")
CONFIGURATION = (
    "Makefile",
    "Dockerfile",
    "pyproject.toml",
    "clients/*/pyproject.toml",
    "alembic.ini",
    ".pre-commit-config.yaml",
    ".dockerignore",
    ".editorconfig",
    "requirements/*.in",
    "deploy/*.yaml",
    "deploy/*.service",
    ".ci/*.toml",
    *(
        f".ci/{script}"
        for script in ("check-schema", "environment", "lint-web", "lock", "node/install", "programs", "run")
    ),
)

_CODE = re.compile(
    r"^( *)(```|~~~).*?^\1\2|<!--.*?-->|`[^`\n]*`|(?<=\])\([^)\s]*\)|https?://\S+|<[^>\n]*>", re.DOTALL | re.MULTILINE
)
_LITERAL = re.compile(r"``[^`]+``|`[^`\n]+`|https?://\S+")
"""Code in a docstring or a comment."""
_TEMPLATE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]*>", re.DOTALL)
_READ_ALOUD = re.compile(r'(?:aria-label|title|placeholder|alt)="([^"]*)"')
_SCRIPT_SENTENCE = re.compile(r'"([A-Z][^"\n]* [^"\n]*)"')
_CONFIGURED = re.compile(r'(?:^|(?<=\s))#+ (?P<comment>.*)|^(?:name|description|"\S+"\.msg) = "(?P<text>.*)"')
"""A comment; or, in pyproject.toml, a text that a tool prints."""
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|id\s=\s1)\b")
_SENTENCE = re.compile(r"[^.!?:;|]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should be worded differently."""

    where: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        """Return it as linters write it."""
        return f"{self.where}:{self.line}: “{self.found}”: write {self.instead}"


@cache
def rules() -> tuple[dict[re.Pattern[str], str], re.Pattern[str], int]:
    """Return the patterns with what to write instead, what is allowed all the same, and the longest sentence."""
    read = tomllib.loads(RULES.read_text())
    patterns = {re.compile(p.replace(" ", r"\s+"), re.IGNORECASE): instead for p, instead in read["instead"].items()}
    return patterns, re.compile("|".join(read["allowed"]), re.IGNORECASE), read["longest_sentence_words"]


def findings(text: str, where: str = "", first_line: int = 1) -> Iterator[Finding]:
    """Yield what a text should word differently."""
    patterns, allowed, _ = rules()
    text = allowed.sub(_blank, text)
    for pattern, instead in patterns.items():
        for match in pattern.finditer(text):
            line = first_line + text.count("\n", 0, match.start())
            yield Finding(where, line, " ".join(match.group().split()), instead)


def too_long(text: str, where: str) -> Iterator[Finding]:
    """Yield the sentences of a page that are too long; a row of a table is not a sentence."""
    longest = rules()[2]
    for paragraph in re.finditer(r"(?:^(?!\||#).+\n?)+", text, re.MULTILINE):
        for match in _SENTENCE.finditer(paragraph.group()):
            words = len(match.group().split())
            if words > longest:
                line = 1 + text.count("\n", 0, paragraph.start() + match.start())
                start = " ".join(match.group().split()[:6])
                yield Finding(where, line, f"{start} …", f"a shorter sentence ({words} words, {longest} at most)")


def of_page(text: str, where: str) -> Iterator[Finding]:
    """Yield what is found in a Markdown page, without its code, comments and addresses."""
    prose = _CODE.sub(_blank, text)
    yield from findings(prose, where)
    yield from too_long(prose, where)


def of_template(text: str, where: str) -> Iterator[Finding]:
    """Yield what is found in a template: in its text, and in the attributes that are shown or read aloud."""
    text = _TEMPLATE.sub(_blank, text)
    for match in _READ_ALOUD.finditer(text):
        yield from findings(match.group(1), where, 1 + text.count("\n", 0, match.start()))
    yield from findings(_TAG.sub(_blank, text), where)


def of_script(text: str, where: str) -> Iterator[Finding]:
    """Yield what is found in the sentences of a script."""
    for match in _SCRIPT_SENTENCE.finditer(text):
        yield from findings(match.group(1), where, 1 + text.count("\n", 0, match.start()))


def of_configuration(text: str, where: str) -> Iterator[Finding]:
    """Yield what is found in a file with ``#`` comments. A phrase may continue on the next line."""
    found = (_CONFIGURED.search(line) for line in text.split("\n"))
    prose = "\n".join((match["comment"] or match["text"] or "") if match else "" for match in found)
    yield from findings(_LITERAL.sub(_blank, prose), where)


def of_source(text: str, where: str) -> Iterator[Finding]:
    """Yield what is found in the strings, the docstrings and the comments of a Python module."""
    tree = ast.parse(text)
    for node, value in strings(tree):
        yield from findings(value, where, node.lineno)
    for line, value in (*docstrings(tree), *comments(text)):
        yield from findings(_LITERAL.sub(_blank, value), where, line)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of a module, those of its attributes included, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (value := _value(node.value)) is not None:
            yield node.lineno, value


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Yield the strings that a module may show: no docstrings, no SQL, and nothing without a space."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
        value = None if id(node) in skipped else _value(node)
        if value is not None and " " in value.strip() and not _SQL.match(value) and isinstance(node, ast.expr):
            yield node, value


def _value(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _blank(match: re.Match[str]) -> str:
    """Return white space of the same length, so that lines keep their numbers."""
    return re.sub(r"[^\n]", " ", match.group())


def all_findings(root: Path = ROOT) -> Iterator[Finding]:
    """Yield what is found in the repository."""
    readers = (
        (of_page, PAGES),
        (of_template, ("templates/**/*.html",)),
        (of_script, ("src/**/static/scripts/*.js",)),
        (of_source, ("src/**/*.py", "clients/*/src/**/*.py", "benchmarks/*.py", "migrations/**/*.py", ".ci/*.py")),
        (of_configuration, CONFIGURATION),
    )
    for read, patterns in readers:
        for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
            yield from read(path.read_text(), path.relative_to(root).as_posix())


def main() -> int:
    """Print what is found, and return 1 where there is something."""
    found = list(all_findings())
    for finding in found:
        print(finding, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
