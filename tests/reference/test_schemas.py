"""A License Server accepts payloads of every published schema, older and newer ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry_service.reference.background import ReferenceProcess, ReferenceStartError
from tests.reference.conftest import options_in
from tests.reference.sender import Draft, Line, canonical, connect, payload, refusal
from tests.support.altered_schema import NEW_FIELD, add_a_field, altered_document, change, published_in, remove
from tests.support.each import each


@pytest.fixture(scope="module")
def versed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A License Server that also knows schemas of other versions."""
    folder = tmp_path_factory.mktemp("versed")
    schemas = published_in(
        folder / "schemas",
        altered_document(add_a_field),
        altered_document(remove("days_remaining")),
        altered_document(add_a_field, change("bouncer_count", maximum=20)),
        altered_document(change("tier", values=["trial", "free"])),
    )
    options = options_in(folder).model_copy(update={"schema_folder": schemas})
    with ReferenceProcess(options) as server, connect(server.ca_file) as client:
        yield Line(server, client)


def without(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {field: value for field, value in payload(**changes).items() if field != name}


@each("sent", [payload(), payload(**{NEW_FIELD: 3}), without("days_remaining"), payload(tier="free")])
def test_a_payload_of_any_of_them_is_accepted_and_kept(versed: Line, sent: dict[str, Any]) -> None:
    draft = Draft(canonical(sent))
    assert versed.send(draft.signed()).json()["status"] == "accepted"
    entry = versed.journal(draft.transmission_id)
    assert entry is not None
    assert entry.payload == draft.body


@each(
    ("sent", "errors"),
    [
        (payload(**{NEW_FIELD: 1001}), [{"field": "", "problem": "extra"}]),
        (without("days_remaining", **{NEW_FIELD: 3}), None),
        (without("days_remaining", tier="free"), None),
        (without("tier"), [{"field": "tier", "problem": "missing"}]),
    ],
)
def test_a_payload_between_them_is_refused(
    versed: Line, sent: dict[str, Any], errors: list[dict[str, str]] | None
) -> None:
    response = versed.send(Draft(canonical(sent)).signed())
    assert refusal(response) == (422, "schema-violated")
    assert errors is None or response.json()["errors"] == errors


def test_a_license_server_that_does_not_know_a_schema_refuses_its_payloads(line: Line) -> None:
    response = line.send(Draft(canonical(payload(**{NEW_FIELD: 3}))).signed())
    assert refusal(response) == (422, "schema-violated")


def test_a_narrower_schema_does_not_narrow_the_others(versed: Line) -> None:
    assert versed.send(Draft(canonical(payload(bouncer_count=21, **{NEW_FIELD: 3}))).signed()).status_code == 200


def test_a_schema_under_a_wrong_name_stops_the_start(tmp_path: Path) -> None:
    (file,) = published_in(tmp_path / "schemas", altered_document(add_a_field)).iterdir()
    file.rename(file.with_stem("0" * 64))
    options = options_in(tmp_path).model_copy(update={"schema_folder": tmp_path / "schemas"})
    with pytest.raises(ReferenceStartError), ReferenceProcess(options):
        pass
