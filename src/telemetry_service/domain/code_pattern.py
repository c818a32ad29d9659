"""Whether a whole text matches the deployment's pattern, in time that is linear in the text.

Python's own engine backtracks: ``(a+)+`` takes 2^60 steps on 60 letters, and nothing else in the process runs
meanwhile. The engine that Pydantic ships never backtracks, so it has no look-around and no back-references.
"""

from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError


def is_pattern(text: str) -> bool:
    """Whether ``text`` is a regular expression that can be used."""
    try:
        # On its own too: "a)|(b" would be valid only inside the group that is put around it.
        TypeAdapter(Annotated[str, StringConstraints(pattern=text)])
        _adapter(text)
    except SchemaError:
        return False
    return True


def matches_whole(pattern: str, text: str) -> bool:
    """Whether ``text`` matches ``pattern`` from its beginning to its end."""
    try:
        _adapter(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=8)
def _adapter(pattern: str) -> TypeAdapter[str]:
    return TypeAdapter(Annotated[str, StringConstraints(pattern=f"^(?:{pattern})$")])
