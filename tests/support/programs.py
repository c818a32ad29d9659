"""Programs that the tests drive, and that `make test` installs (`.ci/programs`), and what they must be allowed to do.

Where one is missing, its tests are skipped, and in CI that is an error. What a system forbids no installation changes:
such a test is skipped in CI, too, and the end of each run lists it with its reason.
"""

import os

import pytest


class ProgramMissingError(Exception):
    """CI lacks something without which it would pass without having tested what it promises."""


def needs(found: object, reason: str) -> pytest.MarkDecorator:
    """Return the mark of tests that need a program, which was ``found`` or not.

    Raises:
        ProgramMissingError: it was not, and this is CI.
    """
    if not found and os.environ.get("CI"):
        raise ProgramMissingError(reason)
    return pytest.mark.skipif(not found, reason=reason)


def require(found: object, reason: str) -> None:
    """Skip the test that runs unless what it needs was ``found``; for what has to be tried out first.

    Raises:
        ProgramMissingError: it was not found, and this is CI.
    """
    if not found and os.environ.get("CI"):
        raise ProgramMissingError(reason)
    if not found:
        pytest.skip(reason)


def permitted(allowed: object, reason: str) -> None:
    """Skip the test that runs unless this system has ``allowed`` what it needs."""
    if not allowed:
        pytest.skip(reason)
