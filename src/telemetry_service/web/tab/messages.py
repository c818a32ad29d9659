"""What a toast says. A redirect carries only the token of its message, so that nobody can put words into the page."""

from telemetry_service.web.tab.labels import Badge

MESSAGES: dict[str, Badge] = {
    "saved": Badge("Settings saved. They are in effect.", "check", "good"),
    "saved-key": Badge("Settings and API key saved. They are in effect.", "check", "good"),
    "key-removed": Badge("API key removed. Nothing is sent until another one is saved.", "check", "good"),
    "unchanged": Badge("Nothing was changed, so nothing was saved.", "info", "info"),
    "sending": Badge("Being sent at this moment.", "clock", "info"),
    "sent": Badge("Sent, and accepted by the License Server.", "check", "good"),
    "sent-failed": Badge("Sent, but not accepted. The payload is kept and sent again.", "warning", "warn"),
    "not-sent": Badge("Not sent. The payload is kept, and this transmission says why.", "warning", "warn"),
    "unanswered": Badge(
        "No answer came, so whether it arrived is not known. It is kept, sent again and counted once.",
        "warning",
        "warn",
    ),
    "retried": Badge("Sent again, and accepted by the License Server.", "check", "good"),
    "retried-failed": Badge("Sent again, but not accepted. The payload is kept.", "warning", "warn"),
    "all-retried": Badge("All failed transmissions were sent again and accepted.", "check", "good"),
    "some-retried": Badge("Tried again; some are not accepted yet, and are kept and tried again.", "warning", "warn"),
    "none-failed": Badge("No transmission had failed.", "info", "info"),
}


def message(token: str | None) -> Badge | None:
    """Return the message of a token, or None."""
    return MESSAGES.get(token or "")
