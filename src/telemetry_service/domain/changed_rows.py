"""Rows outside the ledger that decide what is sent, or whether: what each is called if someone changed it."""

from collections.abc import Iterable
from enum import StrEnum


class ChangedRow(StrEnum):
    """A row, or a kind of rows, whose stamp does not fit; the values are in the ledger and in stored verdicts."""

    SETTINGS = "settings"
    INSTALLATION = "installation"
    LICENSE = "license"
    ANNOUNCEMENT = "announcement"

    @property
    def code(self) -> str:
        """The code of the problem that the verification reports. Stable."""
        return f"{self.value}_changed"


_NAMES = {
    ChangedRow.SETTINGS: "the settings",
    ChangedRow.INSTALLATION: "the identity of this installation",
    ChangedRow.LICENSE: "the license",
    ChangedRow.ANNOUNCEMENT: "the announcement of new fields",
}
CODES = {row.code: row for row in ChangedRow}
"""The rows by the codes of their problems."""


def listed(rows: Iterable[ChangedRow]) -> str:
    """Return rows in words: ``the settings and the license``."""
    *first, last = (_NAMES[row] for row in rows)
    return f"{', '.join(first)} and {last}" if first else last


def is_or_are(rows: tuple[ChangedRow, ...]) -> str:
    """Return the verb for rows in words."""
    return "is" if rows[1:] == () and rows[0] is not ChangedRow.SETTINGS else "are"
