"""The tab calls things as the guide does, word for word: an administrator finds each label of the guide on the page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAB = ROOT / "src" / "telemetry_service" / "web" / "tab"

BUTTONS = ("Show", "Test Connection", "Save", "Send Now", "Retry")
SWITCHES = ("Enable Telemetry", "Enable Data Encryption", "Enable PII Anonymization")
FIGURES = (
    "Total Events",
    "Sandbox Events",
    "Production Events",
    "Active Bouncers",
    "Policy Decisions",
    "Health Status",
)
SECTIONS = ("Current Period Data Preview", "Transmission History", "Error Details", "API Key")
STATES = ("Healthy", "Warning", "Unhealthy", "Disabled", "Not Configured", "Success", "Failed")
IN_ANY_CASE = (
    "Transmission Settings",
    "Transmission Frequency",
    "Security Settings",
    "Local Data Retention",
    "Twice Monthly",
    "Weekly",
    "Monthly",
    "Daily",
    "Minimum retention",
    "Recommended for troubleshooting",
    "Extended retention for compliance",
    "Maximum retention",
    "Records Sent",
    "Response Code",
    "Connection is working correctly",
)
"""The guide writes these as headings; on the page they are headings, columns and choices in sentence case."""


@pytest.fixture(scope="module")
def page() -> str:
    """Return the text of all templates and of the tab's words, without tags."""
    templates = [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    sources = [path.read_text() for path in TAB.rglob("*.py")]
    text = " ".join(re.sub(r"<[^>]*>|\{#.*?#\}", " | ", template, flags=re.DOTALL) for template in templates)
    return re.sub(r"\s+", " ", " ".join([text, *sources]))


@pytest.mark.parametrize("label", [*BUTTONS, *SWITCHES, *FIGURES, *SECTIONS, *STATES])
def test_a_label_of_the_guide_is_on_the_page_word_for_word(page: str, label: str) -> None:
    assert re.search(rf"(?<![A-Za-z]){re.escape(label)}(?![A-Za-z])", page)


@pytest.mark.parametrize("label", IN_ANY_CASE)
def test_a_heading_of_the_guide_is_on_the_page_in_its_words(page: str, label: str) -> None:
    assert re.search(rf"(?<![a-z]){re.escape(label)}(?![a-z])", page, re.IGNORECASE)
