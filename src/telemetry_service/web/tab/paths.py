"""Where the tab and its forms are. Templates and routes name these and nothing else."""

from uuid import UUID

TAB = "/settings/general/telemetry"
SAVE = f"{TAB}/save"
TEST_CONNECTION = f"{TAB}/test-connection"
REMOVE_KEY = f"{TAB}/api-key/remove"
REVEAL = f"{TAB}/api-key/reveal"
SEND_NOW = f"{TAB}/send-now"
PAYLOAD = f"{TAB}/payload"
PAYLOAD_FILE = f"{TAB}/payload.json"
HISTORY = f"{TAB}/history"
RETRY_FAILED = f"{TAB}/history/retry-failed"
ACTIVITY = f"{TAB}/activity"
EXPORT = "/api/v1/telemetry/history/export"
"""The REST API's own: a session may read there too."""

APPEARANCE = f"{TAB}/appearance"
LOGIN = "/login"
LOGOUT = "/logout"


def transmission(transmission_id: UUID | str, query: str = "") -> str:
    """Return the address of one transmission; ``query`` keeps the filters of the history behind it."""
    return f"{HISTORY}/{transmission_id}" + (f"?{query}" if query else "")


def retry(transmission_id: UUID | str) -> str:
    """Return where *Retry* of one transmission is sent to."""
    return f"{HISTORY}/{transmission_id}/retry"


def attempt_payload(transmission_id: UUID | str, number: int) -> str:
    """Return where the payload of one attempt can be downloaded as it was sent."""
    return f"{HISTORY}/{transmission_id}/attempts/{number}/payload"


def attempt_body(transmission_id: UUID | str, number: int) -> str:
    """Return where the body of one attempt can be downloaded as it crossed the network."""
    return f"{HISTORY}/{transmission_id}/attempts/{number}/body"
