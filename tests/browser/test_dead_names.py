"""No rule, no query and no attribute is dead: what one file looks for, another one gives."""

import re
from pathlib import Path

import tinycss2

from telemetry_service.resources import templates_folder
from telemetry_service.web.tab.assets import assets
from tests.browser.static_names import (
    is_keyframes,
    names_given_by_scripts,
    names_in_scripts,
    names_in_styles,
    names_in_template,
    rules_of,
)
from tests.browser.test_static_files import STATIC

READ_BY_TESTS = {"data-field", "data-step"}
"""The name that the protocol has for a field or a step, whatever the page calls it."""


def text_of(folder: Path, pattern: str) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob(pattern)))


STYLES = text_of(STATIC / "styles", "*.css")
SCRIPTS = assets().content("tab.js").decode()
TEMPLATES = text_of(templates_folder(), "*.html")

STYLED = names_in_styles(STYLES)
SOUGHT = names_in_scripts(SCRIPTS)
MADE = names_given_by_scripts(SCRIPTS)
GIVEN = names_in_template(TEMPLATES)


def test_each_class_that_is_styled_or_sought_is_given() -> None:
    assert (STYLED.classes | SOUGHT.classes) - GIVEN.classes - MADE.classes == set()


def test_each_class_that_is_given_is_styled_or_sought() -> None:
    assert (GIVEN.classes | MADE.classes) - STYLED.classes - SOUGHT.classes == set()


def test_each_id_that_is_styled_or_sought_is_given() -> None:
    assert (STYLED.ids | SOUGHT.ids) - GIVEN.ids == set()


def test_each_element_that_is_styled_or_sought_is_given() -> None:
    assert (STYLED.elements | SOUGHT.elements) - GIVEN.elements == set()


def test_each_data_attribute_that_is_styled_or_sought_is_given() -> None:
    assert (STYLED.data | SOUGHT.data) - GIVEN.data - MADE.data == set()


def test_each_data_attribute_that_is_given_is_styled_or_sought() -> None:
    assert (GIVEN.data | MADE.data) - STYLED.data - SOUGHT.data - READ_BY_TESTS == set()


def test_each_custom_property_is_set_and_used() -> None:
    assert set(re.findall(r"(--[a-z0-9-]+):", STYLES)) == set(re.findall(r"var\((--[a-z0-9-]+)\)", STYLES))


def test_each_animation_is_used() -> None:
    named = {tinycss2.serialize(rule.prelude).strip() for rule in rules_of(STYLES) if is_keyframes(rule)}
    assert named == set(re.findall(r"animation: (cct-[a-z]+)", STYLES))


def test_what_is_dead_is_found() -> None:
    styles = names_in_styles(".cct { .gone > a:not(#lost, [data-old]) { b::before { top: 0 } } }")
    assert styles.classes == {"cct", "gone"}
    assert styles.ids == {"lost"}
    assert styles.data == {"data-old"}
    assert styles.elements == {"a", "b"}
    template = names_in_template('<p class="a{% if x %} b{% endif %}" id="i" data-one data-two="{{ y }}">')
    assert template.classes == {"a", "b"}
    assert template.ids == {"i"}
    assert template.data == {"data-one", "data-two"}
    scripts = names_in_scripts('x.closest("tr.a [data-b]"); const { hideAfter } = x.dataset; getElementById("i");')
    assert scripts.classes == {"a"}
    assert scripts.ids == {"i"}
    assert scripts.data == {"data-b", "data-hide-after"}
