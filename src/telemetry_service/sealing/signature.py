"""The signature over the bytes as sent: the construction of Standard Webhooks 1.0.0."""

import base64
import hmac
from uuid import UUID


def sign(api_key: str, transmission_id: UUID, timestamp: int, body: bytes) -> str:
    """Return ``v1,<base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))>``.

    ``timestamp`` is in Unix seconds and belongs to the attempt; the ID is the same for all attempts.
    """
    signed = f"{transmission_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(api_key.encode(), signed, "sha256")).decode()
