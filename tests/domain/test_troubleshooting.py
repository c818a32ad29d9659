"""Every cause and every kind of database problem is explained, and each link leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from telemetry_service.domain.causes import EXPLANATIONS, Cause
from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.troubleshooting import STORAGE, SYMPTOMS

DOCS = Path(__file__).parents[2] / "docs"


def kinds_of(kind: type[StorageUnavailableError]) -> Iterator[type[StorageUnavailableError]]:
    """Yield a kind of error and all kinds below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from kinds_of(child)


def test_each_cause_is_explained() -> None:
    assert EXPLANATIONS.keys() == set(Cause)
    for explanation in EXPLANATIONS.values():
        assert all(text.endswith(".") for text in (explanation.sentence, explanation.next_step, explanation.details))


def test_each_kind_of_database_problem_is_explained() -> None:
    assert STORAGE.keys() == set(kinds_of(StorageUnavailableError))
    assert all(text.endswith(".") for text in STORAGE.values())


def test_each_link_of_the_texts_leads_to_a_heading() -> None:
    texts = [*STORAGE.values(), *(one.details for one in EXPLANATIONS.values()), *(one.text for one in SYMPTOMS)]
    links = {link for text in texts for link in re.findall(r"\]\(([^)]*)\)", text)}
    assert len(links) > 4
    for link in links:
        page, _, anchor = link.partition("#")
        headings = re.findall(r"^#+ (.*)$", (DOCS / (page or "troubleshooting.md")).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, link
