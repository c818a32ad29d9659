"""Which payload the caller has seen, so that *Send Now* sends that one: all of it but counts, health and times.

A version names the configuration (including the API key) and, by a digest, the customer as sent, the license, the
extension codes and the schema.
"""

import hashlib
import json

from telemetry_service.domain.configuration import StoredConfiguration
from telemetry_service.domain.payload import PreparedPayload

_NAMED = ("customer_id", "instance_id", "deployment_version", "tier", "license_status", "redeemed_extension_codes")
_SETTINGS = "The settings or the API key have changed."
_CONTENT = "The customer, the license, the extension codes, or the fields have changed."


def version_of(configuration: StoredConfiguration, payload: PreparedPayload, schema_sha256: str) -> str:
    """Return the version of what would be sent as ``payload``, by the schema with this digest."""
    values = payload.model_dump(mode="json", include=set(_NAMED))
    digest = hashlib.sha256(json.dumps([values, schema_sha256], sort_keys=True).encode()).hexdigest()
    return f"{configuration.version}-{digest[:32]}"


def what_changed(shown: str, present: str) -> str:
    """Return a sentence that says what changed between two versions."""
    before, after = shown.partition("-"), present.partition("-")
    parts = ((before[0] != after[0], _SETTINGS), (before[2] != after[2], _CONTENT))
    return " ".join(sentence for changed, sentence in parts if changed)
