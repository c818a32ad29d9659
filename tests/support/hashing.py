"""Lets every check of a password wait."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.running import Running


@contextmanager
def hashing_held(service: Running) -> Iterator[None]:
    """Let every check of a password wait."""
    hashing = service.context.authentication.accounts._passwords._at_once  # noqa: SLF001 - to hold what hashes
    hashing.acquire()
    hashing.acquire()
    try:
        yield
    finally:
        hashing.release()
        hashing.release()
