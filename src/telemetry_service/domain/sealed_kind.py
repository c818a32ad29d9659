"""The kinds of values that are stored sealed under ENCRYPTION_KEY, and what it means if one cannot be opened."""

from enum import StrEnum


class SealedKind(StrEnum):
    """The kinds, as the command line and the ledger name them."""

    API_KEY = "API key"
    OLD_API_KEY = "old API key"
    LEDGER_KEY = "ledger keys"
    CUSTOMER = "customer IDs"
    VERDICT = "verification of the ledger"


UNREADABLE = {
    SealedKind.API_KEY: "API key unreadable: put the right key back into ENCRYPTION_KEY, or enter the API key again."
    " Where TELEMETRY_API_KEY sets it, a restart saves it again.",
    SealedKind.OLD_API_KEY: "Old API key unreadable: it is not tried. Another API key, in the settings or in"
    " TELEMETRY_API_KEY, deletes it.",
    SealedKind.LEDGER_KEY: "Ledger key unreadable: put the right key back into ENCRYPTION_KEY, or what it signed cannot"
    " be verified here, and nothing that waits is sent.",
    SealedKind.CUSTOMER: "Customer IDs of payloads unreadable: these payloads keep the pseudonym that they have.",
    SealedKind.VERDICT: "Result of the last verification unreadable: the next verification replaces it.",
}
"""Nothing is deleted because of it: with the right key, everything can be read again."""
