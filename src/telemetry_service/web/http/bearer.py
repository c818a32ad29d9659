"""The service token of a request.

Only the scheme ``Bearer`` is the service's own. Others are left alone: a reverse proxy that asks for a password itself
(``Basic``, ``Negotiate``) often passes the header on, and a browser repeats it with each request.
"""

from starlette.datastructures import Headers

_SCHEME = "bearer"


def bearer_in(headers: Headers) -> str | None:
    """Return what a request shows as its service token, valid or not; None if it shows none."""
    scheme, _space, token = headers.get("authorization", "").partition(" ")
    return token.strip(" ") if scheme.lower() == _SCHEME else None
