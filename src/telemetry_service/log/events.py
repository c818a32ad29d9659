"""Every event that the log can hold: its name for ever, its level, its fields and what it means.

``docs/operations.md`` shows this table. A name is never given another meaning; alerts are built on it.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    """The names."""

    SERVICE_STARTED = "service_started"
    SERVICE_STOPPING = "service_stopping"
    SERVICE_STOPPED = "service_stopped"
    START_FAILED = "start_failed"
    DEPLOYMENT_WARNING = "deployment_warning"
    DATABASE_MIGRATED = "database_migrated"
    CONNECTION_CHANGED = "connection_changed"

    AUTHORITIES_UNREADABLE = "authorities_unreadable"

    ATTEMPT_STARTED = "attempt_started"
    ATTEMPT_ACCEPTED = "attempt_accepted"
    ATTEMPT_FAILED = "attempt_failed"
    ANSWER_NOT_TAKEN_WHOLE = "answer_not_taken_whole"
    RECEIPT_NOT_VERIFIED = "receipt_not_verified"
    PAYLOAD_INVALID = "payload_invalid"
    PAYLOAD_CONTRADICTION = "payload_contradiction"
    API_KEY_UNREADABLE = "api_key_unreadable"
    CONNECTION_TESTED = "connection_tested"
    CONNECTION_TEST_FAILED = "connection_test_failed"

    TICK_RAN = "tick_ran"
    TICK_WITHOUT_PAYLOAD = "tick_without_payload"
    JOB_FAILED = "job_failed"
    PURGE_RAN = "purge_ran"
    PURGE_PUT_OFF = "purge_put_off"

    CONFIGURATION_SAVED = "configuration_saved"
    API_KEY_SET = "api_key_set"
    API_KEY_REMOVED = "api_key_removed"
    API_KEY_REVEALED = "api_key_revealed"

    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_FAILED = "login_failed"
    LOGIN_BLOCKED = "login_blocked"
    ACCESS_DENIED = "access_denied"
    SCOPE_MISSING = "scope_missing"
    CSRF_REFUSED = "csrf_refused"
    REQUEST_REFUSED = "request_refused"
    CONNECTION_CUT_OFF = "connection_cut_off"
    FORWARDED_NOT_TRUSTED = "forwarded_not_trusted"
    CALL_REFUSED = "call_refused"

    STORAGE_FAULT_BEGAN = "storage_fault_began"
    STORAGE_FAULT_ENDED = "storage_fault_ended"
    UNEXPECTED_EXCEPTION = "unexpected_exception"
    LIBRARY_MESSAGE = "library_message"
    LINES_DROPPED = "lines_dropped"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many lines of an event are written within ``seconds``: for each value of the fields ``by``, and in all.

    What is left out is counted, and the next line of the event says how many there were.
    """

    each: int
    total: int
    by: tuple[str, ...]
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event says."""

    level: int
    fields: tuple[str, ...]
    sentence: str
    limit: Limit | None = None


_STRANGERS = Limit(each=10, total=100, by=("address",))
"""Whoever is not let in can make such lines as fast as the network carries them."""

_CALLERS = Limit(each=10, total=100, by=("code", "route"))
"""A reporter with a fault repeats it at every report."""

_REPEATED = Limit(each=1, total=60, by=("job", "code"))
"""Every few seconds, as long as the fault lasts."""

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR

EVENTS: dict[Event, Meaning] = {
    Event.SERVICE_STARTED: Meaning(
        INFO,
        ("version", "database", "listening", "log_level"),
        "The service answers, at the address that it is really bound to.",
    ),
    Event.SERVICE_STOPPING: Meaning(INFO, (), "The service was told to stop, and finishes what it has begun."),
    Event.SERVICE_STOPPED: Meaning(INFO, (), "The service has ended in order."),
    Event.START_FAILED: Meaning(ERROR, ("code",), "The service did not start; a sentence on standard error says why."),
    Event.DEPLOYMENT_WARNING: Meaning(
        WARNING, ("warning", "sentence"), "Something about the deployment needs a look; the sentence says what to do."
    ),
    Event.DATABASE_MIGRATED: Meaning(
        INFO, ("before", "revision"), "The schema of the database was brought up to this version."
    ),
    Event.CONNECTION_CHANGED: Meaning(
        INFO, (), "The License Server, the proxy or an authority is another one: what was held is tried at once."
    ),
    Event.AUTHORITIES_UNREADABLE: Meaning(
        WARNING,
        (),
        "The file of TELEMETRY_LICENSE_SERVER_CA_FILE cannot be read any more. The authorities read last stay trusted.",
    ),
    Event.ATTEMPT_STARTED: Meaning(
        INFO, ("transmission_id", "number", "trigger"), "A payload is being sent to the License Server."
    ),
    Event.ATTEMPT_ACCEPTED: Meaning(
        INFO,
        (
            "transmission_id",
            "number",
            "trigger",
            "state",
            "response_code",
            "duplicate",
            "receipt_verified",
            "duration_ms",
        ),
        "The License Server has the payload.",
    ),
    Event.ATTEMPT_FAILED: Meaning(
        WARNING,
        (
            "transmission_id",
            "number",
            "trigger",
            "state",
            "cause",
            "sentence",
            "response_code",
            "duration_ms",
        ),
        "The payload was not accepted and is kept; the cause is explained in troubleshooting.",
    ),
    Event.ANSWER_NOT_TAKEN_WHOLE: Meaning(
        WARNING, ("transmission_id", "note"), "The payload was accepted; the note says what else was in the answer."
    ),
    Event.RECEIPT_NOT_VERIFIED: Meaning(
        WARNING, ("transmission_id", "number"), "The payload was accepted without a receipt of the pinned key."
    ),
    Event.PAYLOAD_INVALID: Meaning(
        ERROR, ("transmission_id", "cause"), "A stored payload is not valid any more and was not sent; it is kept."
    ),
    Event.PAYLOAD_CONTRADICTION: Meaning(
        ERROR, ("trigger", "code"), "The numbers of the open period contradict each other: no payload was made of it."
    ),
    Event.API_KEY_UNREADABLE: Meaning(
        ERROR,
        ("transmission_id", "code"),
        "The stored API key cannot be opened with ENCRYPTION_KEY: nothing is sent.",
        Limit(each=1, total=20, by=("transmission_id",), seconds=600),
    ),
    Event.CONNECTION_TESTED: Meaning(
        INFO, ("key", "response_code", "duration_ms"), "A connection test found that everything works."
    ),
    Event.CONNECTION_TEST_FAILED: Meaning(
        WARNING,
        ("key", "step", "cause", "sentence", "response_code", "duration_ms"),
        "A connection test failed at this step for this cause.",
    ),
    Event.TICK_RAN: Meaning(
        INFO, ("result", "due"), "The schedule ran: it has prepared a payload, or telemetry is off."
    ),
    Event.TICK_WITHOUT_PAYLOAD: Meaning(
        WARNING, ("result", "due"), "The schedule ran and could prepare no payload; the result says why."
    ),
    Event.JOB_FAILED: Meaning(
        WARNING, ("job", "code"), "A waking or a purge could not do its work; the next one tries again.", _REPEATED
    ),
    Event.PURGE_RAN: Meaning(
        INFO, ("rows", "retention_days", "duration_ms"), "The daily purge has deleted what is older than the retention."
    ),
    Event.PURGE_PUT_OFF: Meaning(
        INFO, ("due",), "A purge that is long overdue waits for a day: the clock may be wrong."
    ),
    Event.CONFIGURATION_SAVED: Meaning(INFO, ("actor", "changed"), "The configuration was saved."),
    Event.API_KEY_SET: Meaning(INFO, ("actor",), "Another API key was saved."),
    Event.API_KEY_REMOVED: Meaning(INFO, ("actor",), "The API key was removed."),
    Event.API_KEY_REVEALED: Meaning(WARNING, ("actor", "address"), "The API key was shown in clear."),
    Event.LOGIN_SUCCEEDED: Meaning(
        INFO, ("address",), "The administrator has logged in, or entered the password anew."
    ),
    Event.LOGIN_FAILED: Meaning(
        WARNING, ("address", "failures"), "A login was refused: the name or the password is wrong.", _STRANGERS
    ),
    Event.LOGIN_BLOCKED: Meaning(
        WARNING, ("address", "wait_seconds"), "A login was refused unseen: too many were wrong before.", _STRANGERS
    ),
    Event.ACCESS_DENIED: Meaning(
        WARNING,
        ("address", "route", "credential"),
        "A call was refused (401): its token or session is missing, unknown, revoked or over.",
        _STRANGERS,
    ),
    Event.SCOPE_MISSING: Meaning(
        WARNING, ("address", "route", "actor"), "A call was refused (403): the caller may not do this.", _STRANGERS
    ),
    Event.CSRF_REFUSED: Meaning(
        WARNING,
        ("address", "route", "check"),
        "A call was refused (403): it may have been made by another site. Of origin-is-host the cause is often a"
        " reverse proxy that rewrites Host.",
        _STRANGERS,
    ),
    Event.REQUEST_REFUSED: Meaning(
        WARNING,
        ("address", "code", "status"),
        "A connection or request was refused before any route: it is no HTTP, too slow, too large, or one too many.",
        _STRANGERS,
    ),
    Event.CONNECTION_CUT_OFF: Meaning(
        WARNING,
        ("address", "code"),
        "A connection was ended without an answer: its caller does not read answers (answer-not-read), or sends"
        " requests without waiting for any (requests-pipelined).",
        _STRANGERS,
    ),
    Event.FORWARDED_NOT_TRUSTED: Meaning(
        WARNING,
        ("address",),
        "A reverse proxy that is not trusted handed a request on: its X-Forwarded headers were not read, and the"
        " session cookie goes out without Secure. Name its address in TELEMETRY_TRUSTED_PROXIES.",
        Limit(each=1, total=10, by=("address",), seconds=3600),
    ),
    Event.CALL_REFUSED: Meaning(
        INFO,
        ("code", "status", "route", "address"),
        "A call was refused for what it asks; the code says why.",
        _CALLERS,
    ),
    Event.STORAGE_FAULT_BEGAN: Meaning(
        ERROR, ("code",), "The database cannot be used. One line as the fault begins, not one for each call."
    ),
    Event.STORAGE_FAULT_ENDED: Meaning(INFO, ("code", "duration_ms"), "The database can be used again."),
    Event.UNEXPECTED_EXCEPTION: Meaning(
        ERROR,
        ("job", "error", "place"),
        "A fault of this program: report it with this line, which holds no text of the exception.",
        Limit(each=5, total=50, by=("place",)),
    ),
    Event.LINES_DROPPED: Meaning(
        WARNING, (), "Nobody has read the log for a while: as many lines as `suppressed` says found no room."
    ),
    Event.LIBRARY_MESSAGE: Meaning(
        WARNING,
        ("logger", "error", "place"),
        "A library has something to say. Its text is not repeated, for it can hold a URL, a host or a key.",
        Limit(each=5, total=20, by=("logger",)),
    ),
}
"""The level of a library's message is the library's own, from warning on."""
