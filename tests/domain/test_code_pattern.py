"""What the deployment's pattern for extension codes takes, and what is no pattern."""

from telemetry_service.domain.code_pattern import is_pattern, matches_whole
from tests.support.each import each


@each(
    ("pattern", "text", "matches"),
    [
        ("EXT-[0-9]+|TRIAL", "EXT-12", True),
        ("EXT-[0-9]+|TRIAL", "TRIAL", True),
        ("EXT-[0-9]+|TRIAL", "EXT-12-TRIAL", False),
        ("EXT-[0-9]+|TRIAL", "xTRIAL", False),
        ("EXT-[0-9]+|TRIAL", "TRIAL\n", False),
        ("^EXT-[0-9]$", "EXT-1", True),
    ],
)
def test_a_text_matches_as_a_whole_or_not_at_all(pattern: str, text: str, matches: bool) -> None:  # noqa: FBT001 - a row of the table
    assert is_pattern(pattern)
    assert matches_whole(pattern, text) is matches


def test_no_pattern_makes_a_short_text_take_for_ever() -> None:
    """With an engine that goes back this would not end."""
    assert is_pattern("(a+)+")
    assert not matches_whole("(a+)+", "a" * 63 + "-")


@each("text", ["EXT-[", "a)|(b", "(?=x)x", "(x)\\1", "[a-z]{1,64}{1,64}{1,64}", "(?x)a#"])
def test_what_is_no_pattern_is_known(text: str) -> None:
    assert not is_pattern(text)
