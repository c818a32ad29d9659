"""The paths of the tab and its forms. Routes use only these, and templates their ``Links``."""

from typing import Any
from uuid import UUID

from telemetry_service.domain.issuers import RETURN_PATH
from telemetry_service.domain.public_url import PublicUrl
from telemetry_service.web.http.place import Place

TAB = "/settings/general/telemetry"
ABOVE = ("/settings", "/settings/general")
"""What a breadcrumb names above the tab: they lead to it, or the console has them."""

SETTINGS = f"{TAB}/settings"
SAVE = f"{TAB}/save"
TEST_CONNECTION = f"{TAB}/test-connection"
API_KEY = f"{TAB}/api-key"
REPLACE_KEY = f"{TAB}/api-key/replace"
REMOVE_KEY = f"{TAB}/api-key/remove"
REVEAL = f"{TAB}/api-key/reveal"
SEND_NOW = f"{TAB}/send-now"
PAYLOAD = f"{TAB}/payload"
PAYLOAD_FILE = f"{TAB}/payload.json"
LIVE = f"{TAB}/live"
HISTORY = f"{TAB}/history"
RETRY_FAILED = f"{TAB}/history/retry-failed"
COMPONENTS = f"{TAB}/components"
ACTIVITY = f"{TAB}/activity"
ACTIVITY_LIVE = f"{TAB}/activity/live"
PROOF = f"{TAB}/proof"
PROOF_LIVE = f"{TAB}/proof/live"
VERIFY = f"{TAB}/proof/verify"
ACTIVITY_EXPORT = "/api/v1/ledger/entries/export"
LEDGER_EXPORT = "/api/v1/ledger/export"
VERIFIER = "/api/v1/ledger/verifier"
BUNDLES = f"{TAB}/bundles"
RESTORED = f"{TAB}/restored"
RECEIPTS = f"{TAB}/bundles/receipts"
EXPORT = "/api/v1/telemetry/history/export"
"""The REST API's, as the three above, which a session may also read."""

ACCESS = f"{TAB}/access"
END_SESSIONS = f"{TAB}/access/end"
END_OTHERS = f"{TAB}/access/others/end"
PASSWORD = f"{TAB}/access/password"
LOGGED_IN = f"{TAB}/logged-in"
"""Where a login leads that the frame of a console asked for."""

APPEARANCE = f"{TAB}/appearance"
LOGIN = "/login"
PROVIDER_LOGIN = f"{LOGIN}/provider"
PROVIDER_RETURN = RETURN_PATH
PROVIDER_LOGOUT = f"{LOGIN}/provider/logout"
PROVIDER_ENDED = f"{LOGIN}/provider/ended"
LOGOUT = "/logout"


def transmission(transmission_id: UUID | str, query: str = "") -> str:
    """Return the address of one transmission; ``query`` preserves the filters of the history behind it."""
    return f"{HISTORY}/{transmission_id}" + (f"?{query}" if query else "")


def evidence(transmission_id: UUID | str) -> str:
    """Return the address of the evidence sheet of one transmission."""
    return f"{HISTORY}/{transmission_id}/evidence"


def retry(transmission_id: UUID | str) -> str:
    """Return the address for *Retry* of one transmission."""
    return f"{HISTORY}/{transmission_id}/retry"


def decide(transmission_id: UUID | str, decision: str) -> str:
    """Return the address of a decision about one transmission: *Release*, *Withdraw* or *Accept without a receipt*."""
    return f"{HISTORY}/{transmission_id}/decide/{decision}"


def attempt_payload(transmission_id: UUID | str, number: int) -> str:
    """Return the address of one attempt's payload as it was sent."""
    return f"{HISTORY}/{transmission_id}/attempts/{number}/payload"


def attempt_message(transmission_id: UUID | str, number: int) -> str:
    """Return the address of one attempt as a document, with its headers."""
    return f"/api/v1/telemetry/history/{transmission_id}/attempts/{number}/message"


def attempt_body(transmission_id: UUID | str, number: int) -> str:
    """Return the address of one attempt's body as it crossed the network."""
    return f"{HISTORY}/{transmission_id}/attempts/{number}/body"


def console(console_url: PublicUrl | None, path: str) -> str:
    """Return the address of a page above the tab: the console's, or ours, which leads to the tab."""
    return f"{console_url or ''}{path}"


class Links:
    """These addresses as a page must name them: where the browser sees the service."""

    def __init__(self, place: Place) -> None:
        """Name them for one place."""
        self._place = place

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an address, or a function that returns one
        """Return the address of one of the names above."""
        found = globals().get(name)
        if found is None:
            raise AttributeError(name)
        if callable(found):
            return lambda *given: self._named(found(*given))
        return self._named(found)

    def _named(self, address: str) -> str:
        """Return the address as a page must name it; the console's has its own origin."""
        return self._place.address(address) if address.startswith("/") else address
