"""The tolerance of five minutes, to the second."""

from uuid import UUID

import pytest
from starlette.datastructures import Headers

from telemetry_service.reference.authentication import ApiKey, Authenticated, authenticate
from telemetry_service.reference.refusals import Reason, RefusalError
from tests.reference.sender import API_KEY, CUSTOMER, JSON, key_id, sign

_ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
_TIMESTAMP = 1_794_708_197


def authenticated_at(now: float) -> Authenticated:
    headers = {
        "Content-Type": JSON,
        "X-Telemetry-Id": str(_ID),
        "X-Telemetry-Timestamp": str(_TIMESTAMP),
        "X-Telemetry-Signature": sign(API_KEY, _ID, _TIMESTAMP, b"{}"),
        "X-Telemetry-Key-Id": key_id(API_KEY),
    }
    known = {key_id(API_KEY): ApiKey(key_id(API_KEY), CUSTOMER, API_KEY)}
    return authenticate(Headers(headers), b"{}", known.get, now)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_up_to_five_minutes_are_tolerated(seconds: int) -> None:
    assert authenticated_at(_TIMESTAMP + seconds).transmission_id == _ID


@pytest.mark.parametrize("seconds", [-300.001, 300.001])
def test_a_moment_more_is_not(seconds: float) -> None:
    with pytest.raises(RefusalError) as refused:
        authenticated_at(_TIMESTAMP + seconds)
    assert refused.value.reason is Reason.TIMESTAMP_OUT_OF_TOLERANCE


def test_a_known_key_does_not_show_itself() -> None:
    assert API_KEY not in repr(authenticated_at(_TIMESTAMP))
