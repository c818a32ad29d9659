"""Writes the schema document of today's payload; with --check it only says whether the current one is that."""

import sys

from telemetry_service.domain.payload import PreparedPayload, TelemetryAggregatePayload
from telemetry_service.domain.payload_schemas.parse import parse_schema
from telemetry_service.domain.payload_schemas.published import current_schema
from tests.support.payload_document import document_of, publish


def main() -> int:
    """Write the document and the index, or with ``--check`` return 1 where they are not current."""
    document = document_of(TelemetryAggregatePayload, PreparedPayload)
    if "--check" not in sys.argv[1:]:
        publish(document)
        return 0
    if parse_schema(document).sha256 != current_schema().sha256:
        print("The payload's model is not the current schema: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
