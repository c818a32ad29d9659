"""What is published is what the model says today, and what a release said stays as it was."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import pytest
import rfc8785
from pydantic import Field, create_model

from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.payload_schemas.difference import difference
from telemetry_service.domain.payload_schemas.parse import parse_schema
from telemetry_service.domain.payload_schemas.published import (
    FOLDER,
    INDEX,
    current_schema,
    load,
    published,
    schema_of,
)
from tests.support.altered_schema import NEW_FIELD, add_a_field, altered_document, published_in
from tests.support.each import each
from tests.support.payload_document import document_of, publish

RELEASED = {"0.1.0": "d001ac8883149664af19bd130660e150c21e2cdf56d9a760984e2ea7dbe66def"}
"""A release adds its line. None is ever changed: stored payloads refer to these."""

TODAY = document_of(TelemetryAggregatePayload, PreparedPayload)


def copy_of_the_published(folder: Path) -> Path:
    for file in FOLDER.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_the_current_schema_is_that_of_todays_model() -> None:
    today = parse_schema(TODAY)
    changes = difference(current_schema(), today) or "none"
    assert today.sha256 == current_schema().sha256, (
        "The payload's model is not the current schema. Run `make docs`, then review the new document, docs/payload.md,"
        f" the product guide, and the CHANGELOG. Changes other than prose: {changes}"
    )


def test_a_released_schema_stays_as_it_was() -> None:
    assert published().released == RELEASED


def test_every_file_is_named_by_its_digest_canonical_and_in_the_index() -> None:
    files = {file.stem: file.read_bytes() for file in FOLDER.iterdir() if file.name != INDEX}
    assert set(files) == {*RELEASED.values(), current_schema().sha256} == set(published().by_digest)
    for stem, raw in files.items():
        assert hashlib.sha256(raw).hexdigest() == stem
        assert rfc8785.dumps(json.loads(raw)) == raw


def test_the_first_release_allowed_what_is_allowed_now() -> None:
    first = schema_of(RELEASED["0.1.0"])
    assert first is not None
    assert difference(first, current_schema()) == ()


def test_an_unknown_digest_has_no_schema() -> None:
    assert schema_of("0" * 64) is None
    assert schema_of("../" * 20) is None


def test_the_current_schema_comes_first() -> None:
    first, *others = published()
    assert first is current_schema()
    assert {schema.sha256 for schema in others} == set(RELEASED.values()) - {first.sha256}


def test_an_edited_file_is_not_loaded(tmp_path: Path) -> None:
    folder = copy_of_the_published(tmp_path)
    file = folder / f"{current_schema().sha256}.json"
    file.write_bytes(file.read_bytes().replace(b"9007199254740991", b"9007199254740992", 1))
    with pytest.raises(ValueError, match="was edited"):
        load(folder)


def test_a_schema_that_the_index_names_must_be_there(tmp_path: Path) -> None:
    folder = copy_of_the_published(tmp_path)
    (folder / f"{RELEASED['0.1.0']}.json").unlink()
    with pytest.raises(ValueError, match="missing"):
        load(folder)


def test_a_folder_adds_schemas_and_leaves_the_current_one(tmp_path: Path) -> None:
    document = altered_document(add_a_field)
    more = published().with_folder(published_in(tmp_path, document))
    added = more.get(hashlib.sha256(document).hexdigest())
    assert added is not None
    assert NEW_FIELD in {field.name for field in added.root.fields}
    assert more.current is current_schema()
    assert len(list(more)) == len(list(published())) + 1


def test_publishing_replaces_the_current_schema_and_keeps_the_released_ones(tmp_path: Path) -> None:
    folder = copy_of_the_published(tmp_path)
    publish(altered_document(add_a_field), folder)
    publish(TODAY, folder)
    schemas = load(folder)
    assert schemas.current.sha256 == current_schema().sha256
    assert set(schemas.by_digest) == set(published().by_digest)
    assert schemas.released == RELEASED


@each(
    "allowed",
    [
        Annotated[int, Field(ge=0)],
        Annotated[int, Field(ge=0, le=9, multiple_of=3)],
        Annotated[str, Field(max_length=9)],
        Annotated[str, Field(pattern="^a$", min_length=1)],
        Annotated[tuple[bool, ...], Field(max_length=9, min_length=1)],
        float,
    ],
)
def test_a_model_that_a_document_cannot_express_is_refused(allowed: Any) -> None:  # noqa: ANN401 - any type
    """Else the document would allow what the model does not, and nobody would notice."""
    added = Field(description="A field.", json_schema_extra={"why": "To see", "source": "A test"}, examples=[0])
    model = create_model("Altered", __base__=TelemetryAggregatePayload, more=(allowed, added))
    with pytest.raises(TypeError):
        document_of(model, PreparedPayload)
