"""What a line may contain: each field has a form, and a value without that form is not written.

The forms are for IDs, codes and numbers. A URL, a library's text or a key matches none of them.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeAlias
from uuid import UUID

FieldValue: TypeAlias = str | int | bool | UUID | tuple[str, ...] | None
"""The values that callers pass; a string enum is a string."""

WITHHELD = "?"
"""Replaces a value that does not have the form of its field."""

_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,79}", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,31}", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z", re.ASCII)
_LISTENING = re.compile(r"(?:[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5}", re.ASCII)
_PLACE = re.compile(r"[A-Za-z0-9_./-]{1,120}:[0-9]{1,6}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SENTENCE = re.compile(r"[A-Za-z0-9 ,.;:()'=_*-]{1,240}", re.ASCII)


class Form(StrEnum):
    """The forms of the fields, as named in the documentation."""

    CODE = "code"
    CODES = "codes"
    VERSION = "version"
    ID = "UUID"
    COUNT = "whole number"
    FLAG = "true or false"
    MOMENT = "time (RFC 3339, UTC)"
    ADDRESS = "IP address"
    LISTENING = "address and port"
    PLACE = "source file and line"
    DIGEST = "hex SHA-256 digest"
    SENTENCE = "sentence from this service"


def _text_of(form: re.Pattern[str]) -> Callable[[FieldValue], bool]:
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _is_address(value: FieldValue) -> bool:
    if not isinstance(value, str) or "%" in value:  # A zone can be any text, and callers' addresses have none.
        return False
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _are_codes(value: FieldValue) -> bool:
    return isinstance(value, tuple) and all(_CODE.fullmatch(one) for one in value)


_FITS: dict[Form, Callable[[FieldValue], bool]] = {
    Form.CODE: _text_of(_CODE),
    Form.CODES: _are_codes,
    Form.VERSION: _text_of(_VERSION),
    Form.ID: lambda value: isinstance(value, UUID),
    Form.COUNT: lambda value: isinstance(value, int) and not isinstance(value, bool),
    Form.FLAG: lambda value: isinstance(value, bool),
    Form.MOMENT: _text_of(_MOMENT),
    Form.ADDRESS: _is_address,
    Form.LISTENING: _text_of(_LISTENING),
    Form.PLACE: _text_of(_PLACE),
    Form.SENTENCE: _text_of(_SENTENCE),
    Form.DIGEST: _text_of(_DIGEST),
}

FIELDS: dict[str, Form] = {
    "accepted": Form.COUNT,
    "actor": Form.CODE,
    "address": Form.ADDRESS,
    "before": Form.VERSION,
    "cause": Form.CODE,
    "changed": Form.CODES,
    "check": Form.CODE,
    "code": Form.CODE,
    "credential": Form.CODE,
    "database": Form.CODE,
    "due": Form.MOMENT,
    "duplicate": Form.FLAG,
    "duration_ms": Form.COUNT,
    "error": Form.CODE,
    "failures": Form.COUNT,
    "head": Form.DIGEST,
    "ignored": Form.COUNT,
    "issuer": Form.CODE,
    "job": Form.CODE,
    "key": Form.CODE,
    "listening": Form.LISTENING,
    "metrics_listening": Form.LISTENING,
    "log_level": Form.CODE,
    "logger": Form.CODE,
    "note": Form.CODE,
    "number": Form.COUNT,
    "pending": Form.CODES,
    "place": Form.PLACE,
    "reason": Form.CODE,
    "receipt_verified": Form.FLAG,
    "refused": Form.COUNT,
    "response_code": Form.COUNT,
    "result": Form.CODE,
    "retention_days": Form.COUNT,
    "revision": Form.VERSION,
    "route": Form.CODE,
    "rows": Form.COUNT,
    "sentence": Form.SENTENCE,
    "seq": Form.COUNT,
    "settings": Form.CODES,
    "state": Form.CODE,
    "status": Form.COUNT,
    "step": Form.CODE,
    "transmission_id": Form.ID,
    "transmissions": Form.COUNT,
    "trigger": Form.CODE,
    "version": Form.VERSION,
    "wait_seconds": Form.COUNT,
    "warning": Form.CODE,
}
"""Every field that a line can have, in addition to those of all lines: time, level, event, request_id, suppressed."""


def as_written(name: str, value: FieldValue) -> str | int | bool | list[str] | None:
    """Return a field's value as written; ``WITHHELD`` if it does not have the field's form."""
    if value is None:
        return None
    if name not in FIELDS or not _FITS[FIELDS[name]](value):
        return WITHHELD
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return value if isinstance(value, int) else str(value)
