"""What a toast says. A redirect carries only the token of its message, so that nobody can put words into the page."""

from telemetry_service.web.settings_tab.words import Sign

MESSAGES: dict[str, Sign] = {
    "saved": Sign("Settings saved. They are in effect.", "check", "good"),
    "saved-key": Sign("Settings and API key saved. They are in effect.", "check", "good"),
    "key-removed": Sign("API key removed. Nothing is sent until another one is saved.", "check", "good"),
    "unchanged": Sign("Nothing was changed, so nothing was saved.", "info", "info"),
    "sending": Sign("Being sent at this moment.", "clock", "info"),
    "sent": Sign("Sent, and accepted by the License Server.", "check", "good"),
    "sent-failed": Sign("Sent, but not accepted. The payload is kept and sent again.", "warning", "warn"),
    "not-sent": Sign("Not sent. The payload is kept, and this transmission says why.", "warning", "warn"),
    "unanswered": Sign(
        "No answer came, so whether it arrived is not known. It is kept, sent again and counted once.",
        "warning",
        "warn",
    ),
    "retried": Sign("Sent again, and accepted by the License Server.", "check", "good"),
    "retried-failed": Sign("Sent again, but not accepted. The payload is kept.", "warning", "warn"),
    "all-retried": Sign("All failed transmissions were sent again and accepted.", "check", "good"),
    "some-retried": Sign("Tried again; some are not accepted yet, and are kept and tried again.", "warning", "warn"),
    "none-failed": Sign("No transmission had failed.", "info", "info"),
}


def message(token: str | None) -> Sign | None:
    """Return the message of a token, or None."""
    return MESSAGES.get(token or "")
