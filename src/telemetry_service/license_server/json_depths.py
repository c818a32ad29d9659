"""Cuts off JSON values that are nested deeper than any member of the protocol.

The standard parser is recursive, so thousands of brackets in an ignored member would keep the whole response from being
read.
"""

import re

_DEEPEST = 32
"""A response in the protocol has two levels."""

_PART = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
"""A string, whose brackets mean nothing, or a bracket. An unclosed string extends to the end of the text, so that each
character is scanned once."""


def without_depths(text: str) -> str:
    """Return ``text`` with null in place of each value that is nested too deeply.

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
