"""Every event in the log: its permanent name, its level, its fields and its meaning.

``docs/operations.md`` shows this table. A name never changes its meaning, because alerts depend on it.
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
    DATABASE_RESTORED = "database_restored"

    AUTHORITIES_UNREADABLE = "authorities_unreadable"
    SETTINGS_RELOADED = "settings_reloaded"
    RELOAD_REFUSED = "reload_refused"

    ATTEMPT_STARTED = "attempt_started"
    ATTEMPT_ACCEPTED = "attempt_accepted"
    ATTEMPT_FAILED = "attempt_failed"
    RESPONSE_PARTLY_IGNORED = "response_partly_ignored"
    RESPONSE_IGNORED = "response_ignored"
    RECEIPT_NOT_VERIFIED = "receipt_not_verified"
    PAYLOAD_INVALID = "payload_invalid"
    PAYLOAD_CONTRADICTION = "payload_contradiction"
    API_KEY_UNREADABLE = "api_key_unreadable"
    CONNECTION_TESTED = "connection_tested"
    CONNECTION_TEST_FAILED = "connection_test_failed"

    TICK_RAN = "tick_ran"
    TICK_WITHOUT_PAYLOAD = "tick_without_payload"
    JOB_FAILED = "job_failed"
    NEW_FIELD_ANNOUNCED = "new_field_announced"
    PAYLOAD_RELEASED = "payload_released"
    PAYLOAD_WITHDRAWN = "payload_withdrawn"
    ACCEPTED_WITHOUT_RECEIPT = "accepted_without_receipt"
    PURGE_RAN = "purge_ran"
    PURGE_PUT_OFF = "purge_put_off"

    CONFIGURATION_SAVED = "configuration_saved"
    API_KEY_SET = "api_key_set"
    API_KEY_REMOVED = "api_key_removed"
    API_KEY_OVERLAP_ENDED = "api_key_overlap_ended"
    API_KEY_REVEALED = "api_key_revealed"

    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_FAILED = "login_failed"
    LOGIN_BLOCKED = "login_blocked"
    IDENTITY_REFUSED = "identity_refused"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    ACCESS_DENIED = "access_denied"
    SCOPE_MISSING = "scope_missing"
    CSRF_REFUSED = "csrf_refused"
    REQUEST_REFUSED = "request_refused"
    CONNECTION_CUT_OFF = "connection_cut_off"
    FORWARDED_NOT_TRUSTED = "forwarded_not_trusted"
    CALL_REFUSED = "call_refused"

    BUNDLE_EXPORTED = "bundle_exported"
    RECEIPTS_IMPORTED = "receipts_imported"

    SOURCE_BEGUN = "source_begun"
    SOURCE_STOPPED = "source_stopped"
    SOURCE_CONTINUED = "source_continued"
    SOURCE_RESET = "source_reset"
    SOURCE_CAUGHT_UP = "source_caught_up"

    LEDGER_WRITTEN = "ledger_written"
    VERIFY_FAILED = "verify_failed"

    STORAGE_FAILED = "storage_failed"
    STORAGE_RECOVERED = "storage_recovered"
    UNEXPECTED_EXCEPTION = "unexpected_exception"
    LIBRARY_MESSAGE = "library_message"
    LINES_DROPPED = "lines_dropped"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many lines of an event are written within ``seconds``: for each value of the fields ``by``, and in total.

    Suppressed lines are counted, and the next line of the event says how many there were.
    """

    each: int
    total: int
    by: tuple[str, ...]
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of an event."""

    level: int
    fields: tuple[str, ...]
    sentence: str
    limit: Limit | None = None


_STRANGERS = Limit(each=10, total=100, by=("address",))
"""A refused caller can cause such lines as fast as the network allows."""

_CALLERS = Limit(each=10, total=100, by=("code", "route"))
"""A faulty reporter repeats its error with every report."""

_REPEATED = Limit(each=1, total=60, by=("job", "code"))
"""Every few seconds, as long as the problem lasts."""

_ISSUERS = Limit(each=1, total=10, by=("issuer", "cause"))
"""Every request asks again as long as the problem lasts."""

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR

EVENTS: dict[Event, Meaning] = {
    Event.SERVICE_STARTED: Meaning(
        INFO,
        ("version", "database", "listening", "metrics_listening", "log_level"),
        "The service is listening at this address, and for the metrics at the other, if they have a separate port.",
    ),
    Event.SERVICE_STOPPING: Meaning(INFO, (), "The service received a stop signal and is finishing its work."),
    Event.SERVICE_STOPPED: Meaning(INFO, (), "The service stopped normally."),
    Event.START_FAILED: Meaning(ERROR, ("code",), "The service did not start; a message on stderr says why."),
    Event.DEPLOYMENT_WARNING: Meaning(
        WARNING, ("warning", "sentence"), "The deployment needs attention; the sentence says what to do."
    ),
    Event.DATABASE_MIGRATED: Meaning(INFO, ("before", "revision"), "The database schema was migrated to this version."),
    Event.CONNECTION_CHANGED: Meaning(
        INFO,
        (),
        ("The License Server, the proxy, or a certificate authority has changed; held payloads are tried at once."),
    ),
    Event.DATABASE_RESTORED: Meaning(
        WARNING,
        (),
        "The database is an older copy of itself; nothing is sent until an administrator says what was sent since.",
    ),
    Event.SETTINGS_RELOADED: Meaning(
        INFO,
        ("changed", "pending"),
        "The files of the settings were read again on SIGHUP: what `changed` is in use, `pending` needs a restart.",
    ),
    Event.RELOAD_REFUSED: Meaning(
        ERROR,
        ("settings",),
        "On SIGHUP, these settings were wrong, so nothing was changed. `doctor` says what is wrong.",
    ),
    Event.AUTHORITIES_UNREADABLE: Meaning(
        WARNING,
        (),
        "A file of certificate authorities can no longer be read. The authorities read last stay trusted.",
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
        "The License Server accepted the payload.",
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
        "The payload was not accepted and is kept; the troubleshooting page explains the cause.",
    ),
    Event.RESPONSE_PARTLY_IGNORED: Meaning(
        WARNING,
        ("transmission_id", "note"),
        ("The payload was accepted; the note says which part of the response was not used as sent."),
    ),
    Event.RESPONSE_IGNORED: Meaning(
        WARNING,
        ("transmission_id", "number"),
        "The License Server responded to an attempt that the database no longer has: it was erased or purged"
        " meanwhile, or a backup was restored. Nothing was recorded.",
    ),
    Event.RECEIPT_NOT_VERIFIED: Meaning(
        WARNING, ("transmission_id", "number"), "The payload was accepted without a valid receipt from the pinned key."
    ),
    Event.PAYLOAD_INVALID: Meaning(
        ERROR, ("transmission_id", "cause"), "A stored payload is no longer valid and was not sent; it is kept."
    ),
    Event.PAYLOAD_CONTRADICTION: Meaning(
        ERROR, ("trigger", "code"), "The open period's counts are inconsistent, so no payload was created."
    ),
    Event.NEW_FIELD_ANNOUNCED: Meaning(
        WARNING,
        ("due",),
        "This version would send more than the last one. Its payloads wait until they are released, or until then.",
    ),
    Event.PAYLOAD_RELEASED: Meaning(
        INFO, ("transmission_id", "actor"), "A payload that was waiting for its release is sent now."
    ),
    Event.PAYLOAD_WITHDRAWN: Meaning(
        WARNING,
        ("transmission_id", "actor"),
        "A payload was withdrawn: it is not sent, and its counts are in no other payload.",
    ),
    Event.ACCEPTED_WITHOUT_RECEIPT: Meaning(
        WARNING,
        ("transmission_id", "actor"),
        "An administrator decided that a payload counts as accepted without a valid receipt.",
    ),
    Event.API_KEY_UNREADABLE: Meaning(
        ERROR,
        ("transmission_id", "code"),
        "The stored API key cannot be decrypted with ENCRYPTION_KEY; nothing is sent.",
        Limit(each=1, total=20, by=("transmission_id",), seconds=600),
    ),
    Event.CONNECTION_TESTED: Meaning(INFO, ("key", "response_code", "duration_ms"), "A connection test passed."),
    Event.CONNECTION_TEST_FAILED: Meaning(
        WARNING,
        ("key", "step", "cause", "sentence", "response_code", "duration_ms"),
        "A connection test failed; see the step and the cause.",
    ),
    Event.TICK_RAN: Meaning(INFO, ("result", "due"), "The schedule ran: it created a payload, or telemetry is off."),
    Event.TICK_WITHOUT_PAYLOAD: Meaning(
        WARNING, ("result", "due"), "The schedule ran but could not create a payload; the result says why."
    ),
    Event.JOB_FAILED: Meaning(
        WARNING, ("job", "code"), "A scheduled check or a purge failed; the next one tries again.", _REPEATED
    ),
    Event.PURGE_RAN: Meaning(
        INFO,
        ("rows", "retention_days", "duration_ms"),
        ("The daily purge deleted data older than the retention period."),
    ),
    Event.PURGE_PUT_OFF: Meaning(
        INFO, ("due",), "A long overdue purge was postponed for a day because the clock may be wrong."
    ),
    Event.CONFIGURATION_SAVED: Meaning(INFO, ("actor", "changed"), "The configuration was saved."),
    Event.API_KEY_SET: Meaning(INFO, ("actor",), "A new API key was saved."),
    Event.API_KEY_REMOVED: Meaning(INFO, ("actor",), "The API key was removed."),
    Event.API_KEY_OVERLAP_ENDED: Meaning(
        INFO, ("reason",), "The API key before the present one was destroyed: its time is over, or someone put it back."
    ),
    Event.API_KEY_REVEALED: Meaning(WARNING, ("actor", "address"), "The API key was shown."),
    Event.LOGIN_SUCCEEDED: Meaning(INFO, ("address",), "The administrator logged in or entered the password again."),
    Event.LOGIN_FAILED: Meaning(
        WARNING, ("address", "failures"), "A login was refused: incorrect name or password.", _STRANGERS
    ),
    Event.LOGIN_BLOCKED: Meaning(
        WARNING,
        ("address", "wait_seconds"),
        ("A login was refused unchecked after too many incorrect passwords."),
        _STRANGERS,
    ),
    Event.IDENTITY_REFUSED: Meaning(
        WARNING,
        ("address", "issuer", "reason"),
        "A signed identity was refused: of the provider (oidc) or of the console's gateway (gateway).",
        _STRANGERS,
    ),
    Event.ISSUER_UNAVAILABLE: Meaning(
        WARNING,
        ("issuer", "cause"),
        "The provider (oidc), or the address of the gateway's keys (gateway), gave no usable response.",
        _ISSUERS,
    ),
    Event.ACCESS_DENIED: Meaning(
        WARNING,
        ("address", "route", "credential"),
        "A request was refused (401): its token or session is missing, unknown, revoked, or expired.",
        _STRANGERS,
    ),
    Event.SCOPE_MISSING: Meaning(
        WARNING, ("address", "route", "actor"), "A request was refused (403): the caller lacks permission.", _STRANGERS
    ),
    Event.CSRF_REFUSED: Meaning(
        WARNING,
        ("address", "route", "check"),
        "A request was refused (403): it may have come from another site. For origin-is-host, the cause is often a"
        " reverse proxy that rewrites Host.",
        _STRANGERS,
    ),
    Event.REQUEST_REFUSED: Meaning(
        WARNING,
        ("address", "code", "status"),
        "A connection or request was refused before routing: not HTTP, too slow, too large, or too many at once.",
        _STRANGERS,
    ),
    Event.CONNECTION_CUT_OFF: Meaning(
        WARNING,
        ("address", "code"),
        "A connection was closed without a response: its caller does not read responses (response-not-read) or sends"
        " requests without waiting for responses (requests-pipelined).",
        _STRANGERS,
    ),
    Event.FORWARDED_NOT_TRUSTED: Meaning(
        WARNING,
        ("address",),
        "An untrusted reverse proxy forwarded a request: its X-Forwarded headers were ignored. Add its address to"
        " TELEMETRY_TRUSTED_PROXIES.",
        Limit(each=1, total=10, by=("address",), seconds=3600),
    ),
    Event.CALL_REFUSED: Meaning(
        INFO,
        ("code", "status", "route", "address"),
        "A request was refused; the code says why.",
        _CALLERS,
    ),
    Event.BUNDLE_EXPORTED: Meaning(
        INFO, ("actor", "transmissions"), "Waiting payloads were written into a bundle file."
    ),
    Event.RECEIPTS_IMPORTED: Meaning(
        INFO,
        ("actor", "accepted", "refused", "ignored"),
        "Receipts of a bundle were imported; what was ignored was forged, foreign, malformed, or known already.",
    ),
    Event.SOURCE_BEGUN: Meaning(
        INFO, (), "Usage is counted from the source database from now on; older rows are not counted."
    ),
    Event.SOURCE_STOPPED: Meaning(
        WARNING,
        ("code",),
        "The source database cannot be read on. Nothing is lost: reading continues where it stopped.",
        Limit(each=1, total=10, by=("code",)),
    ),
    Event.SOURCE_CONTINUED: Meaning(
        INFO, ("code",), "The source database is read again; the code says what had stopped it."
    ),
    Event.SOURCE_RESET: Meaning(
        WARNING, ("actor",), "An administrator decided where the source database is read from now on."
    ),
    Event.SOURCE_CAUGHT_UP: Meaning(
        INFO, ("actor", "rows"), "Older rows of the source database were counted in the open period."
    ),
    Event.LEDGER_WRITTEN: Meaning(
        INFO,
        ("seq", "head"),
        "An entry was added to the ledger; keep these lines elsewhere, and a ledger that is cut short is noticed.",
    ),
    Event.VERIFY_FAILED: Meaning(
        ERROR,
        ("code", "seq", "transmission_id"),
        "The ledger, or a row that it is about, is not as it was signed. Logged once for each problem.",
        Limit(each=20, total=20, by=("code",)),
    ),
    Event.STORAGE_FAILED: Meaning(
        ERROR, ("code",), "The database cannot be used. Logged once when the problem begins, not for each request."
    ),
    Event.STORAGE_RECOVERED: Meaning(INFO, ("code", "duration_ms"), "The database can be used again."),
    Event.UNEXPECTED_EXCEPTION: Meaning(
        ERROR,
        ("job", "error", "place"),
        "An internal error. Report it with this line; the text of the exception is left out.",
        Limit(each=5, total=50, by=("place",)),
    ),
    Event.LINES_DROPPED: Meaning(
        WARNING, (), "The log was not read for a while; `suppressed` is the number of lines dropped."
    ),
    Event.LIBRARY_MESSAGE: Meaning(
        WARNING,
        ("logger", "error", "place"),
        "A library logged a message. Its text is left out because it can contain a URL, a host, or a key.",
        Limit(each=5, total=20, by=("logger",)),
    ),
}
"""A library's message keeps its own level, from warning up."""
