"""What may be an API key: only a placeholder that nobody can have meant is refused beside what the protocol refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry_service.domain.configuration import API_KEY_FORM, API_KEY_REPEATED, api_key_error
from tests.support.each import each

visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@given(visible, st.integers(16, 256))
def test_one_repeated_character_is_no_api_key(character: str, times: int) -> None:
    assert api_key_error(character * times) == API_KEY_REPEATED


@given(st.text(visible, min_size=1, max_size=32), st.integers(2, 8))
def test_a_short_text_over_and_over_is_no_api_key(text: str, times: int) -> None:
    repeated = text * times
    if 16 <= len(repeated) <= 256:
        assert api_key_error(repeated) == API_KEY_REPEATED


@pytest.mark.parametrize("key", ["aaaaaaaaaaaaaaab", "0101100101100101100", "xxxxyyyyzzzzxxxx"])
def test_three_characters_are_too_few_for_an_api_key(key: str) -> None:
    assert api_key_error(key) == API_KEY_REPEATED


@pytest.mark.parametrize(
    "key", ["ck_live_0123456789abcdef", "change-me-if-you-can", "0123456789012345", "aaaabbbbccccdddd"]
)
def test_whatever_else_the_protocol_allows_may_be_an_api_key(key: str) -> None:
    assert api_key_error(key) is None


@each("key", ["", "short", "k" * 257, "a b" * 8, "ck_live_0123456789é"])
def test_an_api_key_has_its_form(key: str) -> None:
    assert api_key_error(key) == API_KEY_FORM
