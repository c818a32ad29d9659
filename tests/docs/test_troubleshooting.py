"""Every code has an entry."""

import re
from pathlib import Path

from telemetry_service.domain import errors, obstacles
from telemetry_service.domain.causes import EXPLANATIONS, Cause
from telemetry_service.domain.changed_rows import ChangedRow
from telemetry_service.domain.verdict import judge
from tests.support.each import each
from tests.support.situations import situations

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()


@each("cause", list(Cause))
def test_each_cause_has_an_entry_with_its_sentence(cause: Cause) -> None:
    entry = PAGE.partition(f"### `{cause.value}`\n")[2].partition("###")[0]
    explanation = EXPLANATIONS[cause]
    assert explanation.sentence in entry
    assert explanation.next_step in entry
    assert explanation.details in entry


def test_each_state_of_health_has_an_entry() -> None:
    causes = {cause.value for cause in Cause}
    named = {judge(situation).health.code for situation in situations()} - causes
    assert {"ok", "waiting_rejected", "api_key_unusable"} <= named
    for code in named:
        assert f"### `{code}`\n" in PAGE, code


def test_each_obstacle_has_an_entry_with_its_sentence_and_its_next_step() -> None:
    found = [one for one in vars(obstacles).values() if isinstance(one, obstacles.Obstacle)]
    assert len(found) == 9
    changed = next(made.setup for made in situations() if made.setup.changed == (ChangedRow.SETTINGS,))
    # That payloads leave in bundles is no state of the health; its error has a row.
    for one in (one for one in found if one is not obstacles.IN_BUNDLES):
        entry = PAGE.partition(f"### `{one.code}`\n")[2].partition("###")[0]
        # Of what someone changed, the entry names the rows.
        sentence = obstacles.settings_changed(changed).sentence if one is obstacles.SETTINGS_CHANGED else one.sentence
        assert sentence in entry, one.code
        assert one.next_step in entry, one.code


def test_each_error_has_a_row_with_its_sentence() -> None:
    named = [kind for kind in vars(errors).values() if isinstance(kind, type) and "code" in vars(kind)]
    kinds = [kind for kind in named if issubclass(kind, errors.TelemetryError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert re.search(rf"^\| `{kind.code}` \|.*{re.escape(kind.sentence)}", PAGE, re.MULTILINE), kind.code
