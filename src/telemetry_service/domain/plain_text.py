"""Whether a text that a person set contains characters that they cannot see.

A line end of a file, an editor's byte order mark, a second line or a trailing space becomes part of a password or a
path, and the person who set it cannot see why it does not work.
"""

import unicodedata

_BYTE_ORDER_MARK = "\ufeff"
_LINE_ENDS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def has_lone_surrogate(text: str) -> bool:
    """Whether a text contains half of a surrogate pair, which UTF-8 cannot encode."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def invisible_error(text: str) -> str | None:
    """Return what is invisible in a text of one line, as the end of a sentence, or None if nothing is."""
    if has_lone_surrogate(text):
        # The environment can contain bytes that are not UTF-8; Python represents them as lone surrogates.
        return "contains bytes that are not UTF-8 text."
    if _BYTE_ORDER_MARK in text:
        return "contains a byte order mark, which some editors add invisibly; remove it."
    if _LINE_ENDS & set(text):
        return "contains a line break but must be one line; remove it, or the text after it."
    if any(unicodedata.category(character) == "Cc" for character in text):
        return "contains a control character, such as a tab; remove it."
    return _space_error(text)


def _space_error(text: str) -> str | None:
    if text != text.strip():
        return "begins or ends with a space; remove it."
    if any(_looks_like_another(character) for character in text):
        return "contains a zero-width character or a non-standard space, as copied text may; remove it."
    return None


def _looks_like_another(character: str) -> bool:
    """Whether it is a zero-width space, a soft hyphen, a no-break space or something similar."""
    category = unicodedata.category(character)
    return category == "Cf" or (category == "Zs" and character != " ")


def first_text_of(content: str) -> str:
    """Return the intended content of a file: without an editor's byte order mark and its one trailing line end."""
    text = content.removeprefix(_BYTE_ORDER_MARK)
    for line_end in ("\r\n", "\n", "\r"):
        if text.endswith(line_end):
            return text.removesuffix(line_end)
    return text
