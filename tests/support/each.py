"""A table inside one test: its cases are many and its function is pure, so that none needs a fresh world of its own.

A case as a test of its own costs a hundred times what it checks, in each parallel worker. What may leave something
behind for the next case, or is worth a name on the command line, stays with ``pytest.mark.parametrize``.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def each(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Call the test with every case, whatever comes of the others, and fail with all that do not hold.

    Args:
        names: of the test's arguments that a case is for, as ``pytest.mark.parametrize`` takes them.
        cases: a value for the one name, or a tuple for several.
    """
    parametrized = [names] if isinstance(names, str) else list(names)
    table = [(case,) if isinstance(names, str) else tuple(case) for case in cases]
    assert table, "a table without a case checks nothing"

    def loop(test: Test) -> Test:
        @functools.wraps(test)
        def check(*args: object, **fixtures: object) -> None:
            failures = [_failure(test, args, fixtures, dict(zip(parametrized, case, strict=True))) for case in table]
            failed = [failure for failure in failures if failure is not None]
            if failed:
                message = f"{len(failed)} of {len(table)} cases"
                raise BaseExceptionGroup(message, failed)

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in parametrized]
        check.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]  # pytest reads it
        return check

    return loop


def _failure(
    test: Test, args: tuple[object, ...], fixtures: dict[str, object], case: dict[str, object]
) -> BaseException | None:
    """Return why a case does not hold, with its values in a note."""
    try:
        test(*args, **fixtures, **case)
    except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - reported with all others
        failure.add_note("case: " + ", ".join(f"{name}={value!r}" for name, value in case.items()))
        return failure
    return None
