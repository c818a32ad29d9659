"""Whether a text matches a pattern of the deployment as a whole, in a time that grows with the text alone.

Python's own engine tries every way to read a text: for ``(a+)+`` that are 2^60 for a text of 60 letters, and nothing
else in the process would run meanwhile. The engine that Pydantic brings never goes back, so it has no look-around and
no back-references.
"""

from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError


def is_pattern(text: str) -> bool:
    """Whether ``text`` is a regular expression that can be used."""
    try:
        # Alone as well: "a)|(b" would be one only together with what is put round it.
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
