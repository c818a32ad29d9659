"""Why an attempt to reach the License Server failed: each cause, with all its texts.

Text from a library or from the License Server is never kept. The settings tab, the API, the command line and the log
show a cause's sentence and its next step; the troubleshooting page adds the details.
"""

from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.domain.owner import Owner


class Cause(StrEnum):
    """Why an attempt was not accepted. The code is stable; the troubleshooting page explains each one."""

    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_FAILED = "connection_failed"
    CONNECTION_LOST = "connection_lost"
    PROXY_NOT_RESOLVED = "proxy_not_resolved"
    PROXY_UNREACHABLE = "proxy_unreachable"
    PROXY_LOGIN_REFUSED = "proxy_login_refused"
    PROXY_FAILED = "proxy_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    TLS_FAILED = "tls_failed"
    TLS_VERSION = "tls_version"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CLOCK_WRONG = "clock_wrong"
    API_KEY_NOT_ACCEPTED = "api_key_not_accepted"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    NOT_FOUND = "not_found"
    PAYLOAD_REFUSED = "payload_refused"
    ID_CONFLICT = "id_conflict"
    UNEXPECTED_STATUS = "unexpected_status"
    RESPONSE_MALFORMED = "response_malformed"
    RESPONSE_TOO_LARGE = "response_too_large"
    INTERRUPTED = "interrupted"
    PAYLOAD_INVALID = "payload_invalid"
    PAYLOAD_CHANGED = "payload_changed"
    RECEIPT_MISSING = "receipt_missing"
    FROM_BACKUP = "from_backup"

    @property
    def sentence(self) -> str:
        """What happened."""
        return EXPLANATIONS[self].sentence


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause in plain words: what happened, what to do, who can do it, and what else to check."""

    sentence: str
    next_step: str
    """For a cause in ``PASSING``, the next step while a payload is retried; ``transmission_texts`` covers every
    state."""
    owner: Owner
    details: str
    """What the troubleshooting page adds, in Markdown."""


_ADMIN = Owner.ADMINISTRATOR
_NETWORK = Owner.NETWORK
_VENDOR = Owner.SUPPORT
_NOBODY = Owner.NOBODY

EXPLANATIONS: dict[Cause, Explanation] = {
    Cause.NAME_NOT_RESOLVED: Explanation(
        "The License Server's name could not be resolved.",
        "Check that this host can resolve public names (DNS).",
        _NETWORK,
        "Check the DNS resolver of the host or the pod. It is asked for the complete name, without a search domain."
        " With an outbound proxy, only the proxy resolves the name: set `TELEMETRY_PROXY_URL`.",
    ),
    Cause.CONNECTION_REFUSED: Explanation(
        "The License Server, or a firewall in front of it, refused the connection.",
        "Check outbound network connectivity (firewall, proxy settings).",
        _NETWORK,
        "The server is down, or a firewall rejects the connection.",
    ),
    Cause.CONNECTION_FAILED: Explanation(
        "Could not connect to the License Server.",
        "Check outbound network connectivity (firewall, proxy settings).",
        _NETWORK,
        "There was no response at all, which is typical of a firewall that silently drops packets. The service needs"
        " outbound HTTPS to one host, directly or through a proxy.",
    ),
    Cause.CONNECTION_LOST: Explanation(
        "The connection was lost before the License Server responded.",
        "No action needed. If this keeps happening, check the proxies and firewalls in between.",
        _NOBODY,
        "The payload may have arrived. It is sent again with the same ID; if it had arrived, the response is"
        " *duplicate*, which is a success.",
    ),
    Cause.PROXY_NOT_RESOLVED: Explanation(
        "The configured proxy's name could not be resolved.",
        "Check the host name in TELEMETRY_PROXY_URL, and that this host can resolve it (DNS).",
        _NETWORK,
        "The name may be one of the customer's network: the search domains of this host complete it.",
    ),
    Cause.PROXY_UNREACHABLE: Explanation(
        "Could not connect to the configured proxy.",
        "Check the host and port in TELEMETRY_PROXY_URL, that the proxy is running, and that a firewall lets this host"
        " reach it.",
        _NETWORK,
        "The proxy is down, a firewall rejects the connection, or no route leads to the proxy.",
    ),
    Cause.PROXY_LOGIN_REFUSED: Explanation(
        "The configured proxy did not accept the user name and password.",
        "Check the user name and password in TELEMETRY_PROXY_URL.",
        _NETWORK,
        "The proxy responded with 407. It also does so if `TELEMETRY_PROXY_URL` has no user name and password, and if"
        " it wants another kind of login than *Basic*.",
    ),
    Cause.PROXY_FAILED: Explanation(
        "The configured proxy did not connect to the License Server.",
        "Check that the proxy allows connections to the License Server, and look at the proxy's log.",
        _NETWORK,
        "The proxy was reached, but it did not open the connection: typical of a rule against the destination, of a"
        " proxy that cannot reach it, and of a port that serves something other than a proxy.",
    ),
    Cause.DEADLINE_EXCEEDED: Explanation(
        "The License Server did not respond in time.",
        "No action needed. If this keeps happening, check the proxies and firewalls in between.",
        _NOBODY,
        "The whole exchange has one deadline of 30 seconds, so a slow response cannot hold it indefinitely.",
    ),
    Cause.TLS_FAILED: Explanation(
        "Could not establish a secure connection (TLS) to the License Server.",
        "Check for a firewall or proxy that interferes with TLS connections.",
        _NETWORK,
        "This is typical if a device in between intercepts TLS, or if the port serves another protocol.",
    ),
    Cause.TLS_VERSION: Explanation(
        "The responding server offers only TLS versions older than 1.2.",
        "Check for an outdated proxy that intercepts TLS connections.",
        _NETWORK,
        "TLS 1.2 is the minimum version.",
    ),
    Cause.CERTIFICATE_EXPIRED: Explanation(
        "The License Server's certificate has expired or is not valid yet.",
        "Check this machine's clock; if it is correct, contact support.",
        _ADMIN,
        "If this machine's clock is wrong, every certificate looks invalid. `telemetry-service doctor` compares the"
        " clock with the times in the database.",
    ),
    Cause.CERTIFICATE_WRONG_HOST: Explanation(
        "The certificate was not issued for the License Server's name.",
        "Check for a proxy that intercepts TLS connections.",
        _NETWORK,
        "Certificates are always verified; this cannot be turned off. The name must be among the certificate's"
        " alternative names. The common name is ignored (RFC 9525).",
    ),
    Cause.CERTIFICATE_UNTRUSTED: Explanation(
        "The License Server's certificate was issued by an authority that this installation does not trust.",
        "If a proxy intercepts TLS, add its certificate authority to TELEMETRY_LICENSE_SERVER_CA_FILE.",
        _NETWORK,
        "`TELEMETRY_LICENSE_SERVER_CA_FILE` is a PEM file of certificate authorities that are trusted in addition to"
        " the system's: a root, the issuing authority, or the certificate itself. If the file changes, it is read"
        " again without a restart, and held payloads are sent. If it can no longer be read, the previous authorities"
        " stay trusted and the log has a warning.",
    ),
    Cause.CLOCK_WRONG: Explanation(
        (
            "The License Server refused the message because its clock and this machine's clock differ by more than 5"
            " minutes."
        ),
        "Fix this machine's clock (NTP), then click Retry.",
        Owner.HOST,
        "The License Server refuses a message whose timestamp is more than 5 minutes off, because it could be a"
        " replay. Each response contains the server's time; the service compared the two clocks.",
    ),
    Cause.API_KEY_NOT_ACCEPTED: Explanation(
        "The License Server does not accept the API key.",
        "Verify that the API key is correct and not expired, then save it again.",
        _ADMIN,
        "Held transmissions are sent as soon as a new key is saved, and at every scheduled run. You can test a key"
        " before you save it. Where the deployment sets the key, change `TELEMETRY_API_KEY` there: the next start saves"
        " it.",
    ),
    Cause.FORBIDDEN: Explanation(
        "The License Server recognizes the API key but refuses this installation.",
        "Check the subscription, or contact support.",
        _ADMIN,
        "The key is correct. Held transmissions are retried at every scheduled run, when the key or the connection"
        " changes, and after a successful *Test Connection*.",
    ),
    Cause.BUSY: Explanation(
        "The License Server is busy.",
        "No action needed.",
        _NOBODY,
        "The response was 408, 425, 429, or 503. `Retry-After` is honored, between 1 minute and 6 hours.",
    ),
    Cause.SERVER_ERROR: Explanation(
        "The License Server had an internal error.",
        "No action needed; the payload is kept and retried.",
        _NOBODY,
        "The response was another 5xx status, or a status that HTTP does not define. The payload is retried after 1"
        " minute, then at increasing intervals of up to 6 hours, and at every scheduled run.",
    ),
    Cause.REDIRECTED: Explanation(
        "The response was a redirect, which the service never follows.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
        "A redirect could send the payload anywhere, so it counts as a refusal.",
    ),
    Cause.NOT_FOUND: Explanation(
        "The responding server has no telemetry API.",
        "Check for a proxy in between; if there is none, contact support.",
        _NETWORK,
        "The response was 404 or 405.",
    ),
    Cause.PAYLOAD_REFUSED: Explanation(
        "The License Server refused the payload.",
        "Check that the encryption and anonymization settings match the License Server. If they do, contact support.",
        _VENDOR,
        "The response was 400, 411, 413, 415, or 422. A refused payload never blocks the ones after it. It is retried"
        " at the next run, and when you click *Retry*.",
    ),
    Cause.ID_CONFLICT: Explanation(
        "The License Server already has a different payload with this ID.",
        "If this database was restored from a backup, withdraw the payload. Otherwise, contact support.",
        _ADMIN,
        "The response was 409, for bytes that this service did not send. After a backup, a payload can have been"
        " prepared again under another API key, and accepted. That one counts, and the one of the backup never will. If"
        " it is withdrawn, its extension codes count as sent.",
    ),
    Cause.UNEXPECTED_STATUS: Explanation(
        "The License Server returned a status code that the protocol does not define.",
        "Check for a proxy in between; if there is none, contact support.",
        _VENDOR,
        "The details of the transmission show the response code.",
    ),
    Cause.RESPONSE_MALFORMED: Explanation(
        "The response did not come from a License Server.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
        "A login page also responds with 200; only a response that names this transmission is an acceptance. The"
        " payload is retried at the next run, and when you click *Retry*.",
    ),
    Cause.RESPONSE_TOO_LARGE: Explanation(
        "The response was too large to come from a License Server.",
        "Check for a captive portal or a proxy in between.",
        _NETWORK,
        "At most 64 KiB of a response are read.",
    ),
    Cause.INTERRUPTED: Explanation(
        "The service stopped while sending; whether the payload arrived is unknown.",
        "No action needed: it is sent again with the same ID and counted once.",
        _NOBODY,
        "A claim is a lease of two minutes; after that, this or another replica continues.",
    ),
    Cause.PAYLOAD_INVALID: Explanation(
        "The stored payload is no longer valid, so it was not sent.",
        "Contact support; the payload is kept.",
        _VENDOR,
        "The payload is checked again after the last change and before it is sealed, so nothing that is not on the"
        " list can be sent.",
    ),
    Cause.PAYLOAD_CHANGED: Explanation(
        "The stored payload or its state is not as the ledger has signed it, so it was not sent.",
        "Find out who changed the database. Restore it from a backup and click Retry, or withdraw the payload unless it"
        " was accepted.",
        _ADMIN,
        "When a period is closed, the ledger signs the digest of its payload, and before each attempt the stored bytes"
        " are compared with it. They differ, or an entry of the ledger since then was changed, is missing, or was not"
        " signed with a key that this installation still has, or someone made a payload due that waits for its release."
        " Nothing is sent, and no run of the schedule tries again; payloads that are prepared later are sent. Once the"
        " bytes are back, *Retry* sends a payload, and *Release* one that waits for its release. If the ledger"
        " says that the License Server has accepted the payload, *Retry* shows it as accepted again and sends nothing."
        " *Withdraw* works for any other: if the License Server may have the payload, its extension codes count as"
        " sent.",
    ),
    Cause.RECEIPT_MISSING: Explanation(
        "The License Server accepted the payload, but sent no receipt that the pinned key verifies.",
        "Click Retry to ask for a receipt again, or accept the transmission without one.",
        _ADMIN,
        "`TELEMETRY_REQUIRE_RECEIPT=true` counts a payload as accepted only with a valid receipt. Check with"
        " support that `TELEMETRY_LICENSE_SERVER_PUBLIC_KEY` has the License Server's present key. A repetition has"
        " the same ID, so nothing counts twice. No run of the schedule asks again.",
    ),
    Cause.FROM_BACKUP: Explanation(
        "This payload waited in a backup that was restored, so what became of it after the backup is not known.",
        "If it was withdrawn after the backup, withdraw it again. Otherwise, release it.",
        _ADMIN,
        "After the backup, it may have been sent, withdrawn, or prepared again with the customer named otherwise. If it"
        " was sent as it is, a release does no harm: the ID keeps it counted once. If it was prepared again and sent,"
        " the License Server refuses it with 409. If you said that the current period was sent after the backup, a"
        " withdrawal also counts its extension codes as sent.",
    ),
}


_CHANGE_KEY_IN_DEPLOYMENT = (
    "Verify that the API key is correct and not expired, then change TELEMETRY_API_KEY in the deployment.",
    Owner.DEPLOYMENT,
)


def step_after(cause: Cause, *, key_locked: bool) -> tuple[str, Owner]:
    """Return what to do after a failure, and who; ``key_locked`` if the deployment sets the API key."""
    if key_locked and cause is Cause.API_KEY_NOT_ACCEPTED:
        return _CHANGE_KEY_IN_DEPLOYMENT
    explanation = EXPLANATIONS[cause]
    return explanation.next_step, explanation.owner


WAITS_FOR_A_PERSON = frozenset({Cause.PAYLOAD_CHANGED})
"""Nothing but a person's act leads to another attempt: no run, no new key or connection, no *Retry all failed*."""

PASSING = frozenset(cause for cause, explanation in EXPLANATIONS.items() if explanation.owner is _NOBODY)
"""What may pass soon. A payload is then sent again automatically; a connection test is not repeated."""
