"""Texts that a browser keeps for us, signed so that no one else can put one there."""

from telemetry_service.domain.base64url import from_base64url, to_base64url
from telemetry_service.sealing.keyring import KeyRing


class SignedTexts:
    """Signs and reads texts of one purpose."""

    def __init__(self, keys: KeyRing, purpose: str) -> None:
        """Sign under ``keys``; a text of another purpose is not valid."""
        self._keys = keys
        self._purpose = purpose

    def sign(self, text: str) -> str:
        """Return the text with its signature, in characters that a cookie may have."""
        content = text.encode()
        parts = (content, self._keys.digest(content, self._purpose))
        return ".".join(to_base64url(part).decode() for part in parts)

    def read(self, signed: str) -> str | None:
        """Return a text that was signed here, or None."""
        content, _dot, signature = signed.partition(".")
        try:
            text, digest = from_base64url(content), from_base64url(signature)
        except ValueError:
            return None
        return text.decode() if self._keys.matches(digest, text, self._purpose) else None
