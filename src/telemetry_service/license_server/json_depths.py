"""Cuts off what is nested deeper in a JSON text than any member that the protocol knows.

The standard reader descends by recursion, so that thousands of brackets in a member that is not read would keep the
whole response from being read.
"""

import re

_DEEPEST = 32
"""A response of the protocol has two levels."""

_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
"""A string, whose brackets mean nothing, or a bracket. A string that is not closed goes to the end of the text, so
that each character is looked at once."""


def without_depths(text: str) -> str:
    """Return ``text`` with null in the place of each value that is nested too deeply.

    Raises:
        ValueError: its brackets do not match.

    """
    kept: list[str] = []
    opened: list[str] = []
    begins = 0
    for part in _PART.finditer(text):
        found = part[0]
        if found in "[{":
            if len(opened) == _DEEPEST:
                kept += text[begins : part.start()], "null"
            opened.append("]" if found == "[" else "}")
        elif found in "]}":
            if not opened or opened.pop() != found:
                message = "the brackets do not match"
                raise ValueError(message)
            if len(opened) == _DEEPEST:
                begins = part.end()
    if opened:
        message = "a bracket is not closed"
        raise ValueError(message)
    kept.append(text[begins:])
    return "".join(kept)
