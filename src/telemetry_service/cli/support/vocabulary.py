"""The words that a support bundle may hold: those of the program itself, read from it, so that no list gets outdated.

A word in the form of a code may still be anything, such as a name. So a field of a log keeps a word only if the program
has it: as a text or a name in its source, as the name of an exception, or as that of a module that is loaded.
"""

import builtins
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import telemetry_service
from telemetry_service.log.fields import FIELDS, WITHHELD, FieldValue, Form, as_written
from telemetry_service.settings import KNOWN_VARIABLES

Written = str | int | bool | list[str] | None

_OUR_WORDS = re.compile(r"""(["'])([A-Za-z_][A-Za-z0-9_.:-]{0,79})\1|\b(?:def|class)\s+([A-Za-z_]\w*)""", re.ASCII)
_REVISION = re.compile(r"[0-9]{4}|nothing", re.ASCII)
_RELEASE = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}((a|b|rc|\.post|\.dev)[0-9]{1,4})*", re.ASCII)
_MOST = 2**53 - 1
_OF_WARNINGS = "py.warnings"
"""The logger of Python's warnings."""


def in_our_words(name: str, value: FieldValue) -> Written:
    """Return a field's value as it is written, with every part that is not the program's replaced by its length."""
    written = as_written(name, value)
    if written is None or written == WITHHELD or isinstance(written, bool):
        return written
    if isinstance(written, int):
        return written if abs(written) <= _MOST else unknown(str(written))
    knows = _KNOWN_TO.get(name) or _KNOWN_IN.get(FIELDS[name], _never)
    if isinstance(written, list):
        return [one if knows(one) else unknown(one) for one in written]
    return written if knows(written) else unknown(written)


def unknown(word: str) -> str:
    """Return what replaces a word that is not the program's: only its length."""
    return f"? ({len(word)} characters)"


def is_revision(word: str) -> bool:
    """Whether it names a revision of the schema, or says that there was none."""
    return _REVISION.fullmatch(word) is not None


@cache
def _our_words() -> frozenset[str]:
    """Return every text in the source that has the form of a code, and the name of every function and class."""
    folder = Path(telemetry_service.__file__).parent
    found = (_OUR_WORDS.findall(file.read_text()) for file in sorted(folder.rglob("*.py")))
    return KNOWN_VARIABLES.union(text or name for words in found for _, text, name in words)


@cache
def _exceptions() -> frozenset[str]:
    """Return the names of the exceptions that a running service knows."""
    import telemetry_service.app
    import telemetry_service.cli.server
    import telemetry_service.scheduler  # noqa: F401 - all three so that the libraries of a service are loaded

    return frozenset(kind.__name__ for kind in _below(BaseException)) | frozenset(dir(builtins))


def _below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in type.__subclasses__(kind):
        yield one
        yield from _below(one)


@cache
def _parts_of_modules() -> frozenset[str]:
    return frozenset(part for name in tuple(sys.modules) for part in name.split("."))


def _is_logger(name: str) -> bool:
    """Whether a library can have a logger of this name: they are named after modules."""
    _exceptions()  # Loads what a running service loads.
    known = _parts_of_modules()
    return name == _OF_WARNINGS or all(part in known or part in _our_words() for part in name.split("."))


def _is_place(place: str) -> bool:
    """Whether there is such a file in the program, in the standard library, or in a library."""
    file = Path(place.rpartition(":")[0])
    if ".." in file.parts or file.is_absolute():
        return False
    libraries = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    roots = (Path(telemetry_service.__file__).parent, *libraries)
    return file.suffix == ".py" and any((root / file).is_file() for root in roots)


def _is_moment(moment: str) -> bool:
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return False
    return True


def _never(_word: str) -> bool:
    return False


_KNOWN_TO: dict[str, Callable[[str], bool]] = {
    "error": lambda word: word in _exceptions() or word in _our_words(),
    "logger": _is_logger,
    "before": is_revision,
    "revision": is_revision,
    "version": lambda word: _RELEASE.fullmatch(word) is not None,
}
_KNOWN_IN: dict[Form, Callable[[str], bool]] = {
    Form.CODE: lambda word: word in _our_words(),
    Form.CODES: lambda word: word in _our_words(),
    Form.ID: lambda _word: True,
    Form.MOMENT: _is_moment,
    Form.PLACE: _is_place,
}
"""Every other form is that of an address, of a digest, or of a sentence, and is not in a bundle."""
