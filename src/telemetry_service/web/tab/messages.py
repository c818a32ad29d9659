"""The messages of toasts. A redirect carries only the token of its message, so that no one can inject text."""

import re

from telemetry_service.domain.phrases import grouped
from telemetry_service.web.tab.labels import Badge

MESSAGES: dict[str, Badge] = {
    "saved": Badge("Settings saved.", "check", "good"),
    "saved-key": Badge("Settings and API key saved.", "check", "good"),
    "key-saved": Badge("API key saved.", "check", "good"),
    "key-removed": Badge("API key removed. Nothing is sent until you save another key.", "check", "good"),
    "sessions-ended": Badge("Ended. That browser is logged out.", "check", "good"),
    "others-ended": Badge("Ended. Those people are logged out.", "check", "good"),
    "sessions-gone": Badge("That had ended already. The list is up to date now.", "check", "good"),
    "password-changed": Badge("Password changed. All your other sessions have ended.", "check", "good"),
    "restored": Badge("Recorded. Sending continues, but for payloads that wait for their release.", "check", "good"),
    "unchanged": Badge("No changes to save.", "info", "info"),
    "sending": Badge("Sending…", "clock", "info"),
    "sent": Badge("Sent and accepted by the License Server.", "check", "good"),
    "sent-failed": Badge("Not accepted. It will be retried.", "warning", "warn"),
    "not-sent": Badge("Not sent. The payload is kept; see Error Details.", "warning", "warn"),
    "no-response": Badge(
        "No response, so whether it arrived is unknown. It will be sent again and counted once.",
        "warning",
        "warn",
    ),
    "retried": Badge("Sent again and accepted by the License Server.", "check", "good"),
    "retried-failed": Badge("Sent again, but not accepted. The payload is kept.", "warning", "warn"),
    "prepared": Badge("Prepared. It is sent once you release it.", "pause", "info"),
    "withdrawn": Badge("Withdrawn. It is not sent, and its counts are in no other payload.", "check", "good"),
    "accepted": Badge("Accepted without a receipt.", "check", "good"),
    "accepted-before": Badge(
        "Not sent again: the License Server has already accepted this transmission.", "info", "info"
    ),
    "none-failed": Badge("No failed transmissions.", "info", "info"),
}


_RETRIED = re.compile(r"retried-(\d{1,6})-of-(\d{1,6})")


def message(token: str | None) -> Badge | None:
    """Return the message of a token, or None. Only its numbers are its own."""
    retried = _RETRIED.fullmatch(token or "")
    return _retried(*map(int, retried.groups())) if retried else MESSAGES.get(token or "")


def _retried(accepted: int, total: int) -> Badge:
    words = f"Retried: {grouped(accepted)} of {grouped(total)} accepted."
    if accepted == total:
        return Badge(words, "check", "good")
    return Badge(f"{words} The others are kept.", "warning", "warn")
