"""Of a form that somebody else has overtaken, what it changed is kept, and nothing else."""

from telemetry_service.domain.configuration import Configuration
from telemetry_service.domain.schedule import Frequency
from telemetry_service.web.tab.forms.settings_form import keep_changes
from tests.support.each import each

SEEN = Configuration(
    enabled=True, frequency=Frequency.MONTHLY, encrypt_payload=True, anonymize_pii=True, retention_days=30
)
PRESENT = SEEN.model_copy(update={"retention_days": 90, "encrypt_payload": False})


def test_a_change_of_mine_is_kept_and_one_of_somebody_else_stays() -> None:
    typed = SEEN.model_copy(update={"frequency": Frequency.DAILY})
    kept = keep_changes(typed, SEEN.model_dump_json(), PRESENT)
    assert kept == PRESENT.model_copy(update={"frequency": Frequency.DAILY})


def test_where_both_changed_the_same_setting_mine_is_kept_and_shown_as_a_difference() -> None:
    typed = SEEN.model_copy(update={"retention_days": 7})
    assert keep_changes(typed, SEEN.model_dump_json(), PRESENT).retention_days == 7


@each("seen", ["", "{}", "null", '{"enabled": "perhaps"}', "\0", SEEN.model_dump_json()[:-1]])
def test_a_form_that_does_not_say_what_it_has_seen_keeps_all_that_was_typed(seen: str) -> None:
    assert keep_changes(SEEN, seen, PRESENT) == SEEN
