"""The codes of the protocol's problems, each with its status (``docs/protocol.md``)."""

CODES = {
    "header-malformed": 400,
    "timestamp-out-of-tolerance": 400,
    "encryption-invalid": 400,
    "json-malformed": 400,
    "json-not-canonical": 400,
    "key-unknown": 401,
    "signature-invalid": 401,
    "customer-mismatch": 403,
    "id-conflict": 409,
    "body-too-large": 413,
    "content-type-unsupported": 415,
    "encryption-required": 422,
    "schema-violated": 422,
    "ping-not-empty": 422,
    "bundle-malformed": 400,
}
"""A License Server may have others, for reasons that the protocol does not know."""
