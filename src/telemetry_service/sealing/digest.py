"""The digest under which bytes are kept, compared and named in the ledger."""

import hashlib


def sha256_hex(content: bytes) -> str:
    """Return the hex SHA-256 digest of ``content``."""
    return hashlib.sha256(content).hexdigest()
