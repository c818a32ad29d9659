"""The published schemas: files of this package, each named by the SHA-256 of its bytes.

``published/index.json`` names the schema of each release and the current one, the schema that today's payloads are
prepared by. A file never changes once a release contains it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from telemetry_service.domain.payload_schemas.parse import parse_schema
from telemetry_service.domain.payload_schemas.schema import PayloadSchema

FOLDER = Path(__file__).parent / "published"
INDEX = "index.json"
_DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class PublishedSchemas:
    """A set of schemas, one of which is current. Iterating starts with the current one."""

    by_digest: Mapping[str, PayloadSchema]
    current: PayloadSchema
    released: Mapping[str, str]
    """The digest of each release, by its version."""

    def get(self, sha256: str) -> PayloadSchema | None:
        """Return the schema with this digest, or None if it is not known here."""
        return self.by_digest.get(sha256)

    def __iter__(self) -> Iterator[PayloadSchema]:
        yield self.current
        yield from (schema for schema in self.by_digest.values() if schema is not self.current)

    def with_folder(self, folder: Path) -> "PublishedSchemas":
        """Return these and the schemas in another folder, which needs no index.

        Raises:
            OSError: the folder cannot be read.
            ValueError: a file is not a schema, or is not named by its digest.
        """
        return PublishedSchemas({**self.by_digest, **read_folder(folder)}, self.current, self.released)


@cache
def published() -> PublishedSchemas:
    """Return the schemas that this version ships."""
    return load(FOLDER)


def current_schema() -> PayloadSchema:
    """Return the schema of the payloads that this version prepares."""
    return published().current


def schema_of(sha256: str) -> PayloadSchema | None:
    """Return the published schema with this digest, or None if this version does not ship it."""
    return published().get(sha256)


def document_of(sha256: str) -> bytes | None:
    """Return the bytes of a published schema, or None if this version does not ship it."""
    return None if schema_of(sha256) is None else (FOLDER / f"{sha256}.json").read_bytes()


def load(folder: Path) -> PublishedSchemas:
    """Return the schemas in a folder, of which its index names the current one.

    Raises:
        OSError: the folder cannot be read.
        ValueError: a file is not what its name says, or the index names a schema that is missing.
    """
    schemas = read_folder(folder)
    index = json.loads((folder / INDEX).read_bytes())
    missing = {index["current"], *index["released"].values()} - set(schemas)
    if missing:
        msg = f"{folder / INDEX} names schemas that are missing: {', '.join(sorted(missing))}"
        raise ValueError(msg)
    return PublishedSchemas(schemas, schemas[index["current"]], index["released"])


def read_folder(folder: Path) -> dict[str, PayloadSchema]:
    """Return every schema in a folder by its digest.

    Raises:
        OSError: the folder cannot be read.
        ValueError: a file is not a schema, or is not named by its digest.
    """
    files = (file for file in sorted(folder.iterdir()) if file.suffix == ".json" and len(file.stem) == _DIGEST_DIGITS)
    return {file.stem: _read(file) for file in files}


def _read(file: Path) -> PayloadSchema:
    schema = parse_schema(file.read_bytes())
    if schema.sha256 != file.stem:
        msg = f"{file} was edited: a schema's name is the SHA-256 of its bytes, here {schema.sha256}"
        raise ValueError(msg)
    return schema
