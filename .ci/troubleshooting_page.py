"""Writes docs/troubleshooting.md from the codes of the service; with --check it only says whether it is current."""

import importlib
import itertools
import pkgutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import telemetry_service
from telemetry_service.cli.exit_codes import ExitCode, exit_code_of
from telemetry_service.domain import errors
from telemetry_service.domain.errors import SettingsError, StorageUnavailableError, TelemetryError
from telemetry_service.domain.health import Health, assess
from telemetry_service.domain.obstacles import Setup
from telemetry_service.domain.outcome import EXPLANATIONS, Cause, RetryPolicy
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.situation import CONTRADICTION, Run, Situation, Waiting
from telemetry_service.domain.transmissions import LastExchange
from telemetry_service.web.errors.statuses import STATUS

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "troubleshooting.md"

_INSIDE = ".license_server."
"""What is raised in there becomes a cause before anybody sees it."""

MORE: dict[Cause, str] = {
    Cause.NAME_NOT_RESOLVED: (
        "Check the DNS resolver of the host or the pod. With an outbound proxy, only the proxy resolves the name: set"
        " `TELEMETRY_PROXY_URL`."
    ),
    Cause.CONNECTION_REFUSED: ("The server is down, or a firewall rejects the connection."),
    Cause.CONNECTION_FAILED: (
        "There was no response at all, which is typical of a firewall that silently drops packets. The service needs"
        " outbound HTTPS to one host, directly or through a proxy."
    ),
    Cause.CONNECTION_LOST: (
        "The payload may have arrived. It is sent again with the same ID; if it had arrived, the response is"
        " *duplicate*, which is a success."
    ),
    Cause.PROXY_FAILED: (
        "The proxy could not be reached, or it did not open the connection. Incorrect credentials and a proxy rule"
        " against the destination also cause this."
    ),
    Cause.DEADLINE_EXCEEDED: (
        "The whole exchange has one deadline of 30 seconds, so a slow response cannot hold it indefinitely."
    ),
    Cause.TLS_FAILED: "This is typical if a device in between intercepts TLS, or if the port serves another protocol.",
    Cause.TLS_VERSION: "TLS 1.2 is the minimum version.",
    Cause.CERTIFICATE_EXPIRED: (
        "If this machine's clock is wrong, every certificate looks invalid. `telemetry-service doctor` compares the"
        " clock with the times in the database."
    ),
    Cause.CERTIFICATE_WRONG_HOST: (
        "Certificates are always verified; this cannot be turned off. The name must be among the certificate's"
        " alternative names. The common name is ignored (RFC 9525)."
    ),
    Cause.CERTIFICATE_UNTRUSTED: (
        "`TELEMETRY_LICENSE_SERVER_CA_FILE` is a PEM file of certificate authorities that are trusted in addition to"
        " the system's: a root, the issuing authority, or the certificate itself. If the file changes, it is read"
        " again without a restart, and held payloads are sent. If it can no longer be read, the previous authorities"
        " stay trusted and the log has a warning."
    ),
    Cause.CLOCK_WRONG: (
        "The License Server refuses a message whose timestamp is more than 5 minutes off, because it could be a"
        " replay. Each response contains the server's time; the service compared the two clocks."
    ),
    Cause.API_KEY_NOT_ACCEPTED: (
        "Held transmissions are sent as soon as a new key is saved, and at every tick. You can test a key before you"
        " save it."
    ),
    Cause.FORBIDDEN: (
        "The key is correct. Held transmissions are retried at every tick, when the key or the connection changes,"
        " and after a successful *Test Connection*."
    ),
    Cause.BUSY: "The response was 408, 425, 429, or 503. `Retry-After` is honored, between 1 minute and 6 hours.",
    Cause.SERVER_ERROR: (
        "The response was another 5xx status, or a status that HTTP does not define. The payload is retried after 1"
        " minute, then at increasing intervals of up to 6 hours, and at every tick."
    ),
    Cause.REDIRECTED: "A redirect could send the payload anywhere, so it counts as a refusal.",
    Cause.NOT_FOUND: "The response was 404 or 405.",
    Cause.PAYLOAD_REFUSED: (
        "The response was 400, 411, 413, 415, or 422. A refused payload never blocks the ones after it. It is retried"
        " at the next tick, and when you click *Retry*."
    ),
    Cause.ID_CONFLICT: "The response was 409, for bytes that this service did not send.",
    Cause.UNEXPECTED_STATUS: "The details of the transmission show the response code.",
    Cause.ANSWER_MALFORMED: (
        "A login page also responds with 200; only a response that names this transmission is an acceptance. The"
        " payload is retried at the next tick, and when you click *Retry*."
    ),
    Cause.ANSWER_TOO_LARGE: "At most 64 KiB of a response are read.",
    Cause.INTERRUPTED: "A claim is a lease of two minutes; after that, this or another replica continues.",
    Cause.PAYLOAD_INVALID: (
        "The payload is checked again after the last change and before it is sealed, so nothing that is not on the"
        " list can be sent."
    ),
}
"""What the product's own sentences leave out. A cause without an entry is an error here."""

MORE_OF_STORAGE: dict[type[TelemetryError], str] = {
    StorageUnavailableError: (
        "The server does not respond within the [limit](operations.md#postgresql), or the connection was lost. Once"
        " it is back, no action is needed: reporters resend what was not acknowledged, and the schedule retries every"
        " few seconds."
    ),
    errors.StorageBusyError: (
        "Another process holds the write lock for more than 10 seconds: a backup that copies the file, a shell with"
        " an open transaction, or a second service on the same SQLite file."
    ),
    errors.StorageFullError: "Acknowledged usage is safe. The service continues on its own once there is space.",
    errors.StorageDamagedError: (
        "First check that `TELEMETRY_DATABASE_URL` names the right file; a file that is not a SQLite database is"
        " never changed. A damaged database is not repaired. Stop the service, keep the file, and restore the latest"
        " [backup](operations.md#backup)."
    ),
    errors.SchemaIncompleteError: (
        "Someone changed the tables manually or restored only some of them. The startup error and `doctor` name what"
        " is missing. Restore a complete [backup](operations.md#backup)."
    ),
    errors.StorageReadOnlyError: (
        "SQLite: the file or its file system is read-only for this account, which must write the file and a journal"
        " next to it. PostgreSQL: this is a standby, or the database is set to `default_transaction_read_only`. The"
        " service continues on its own once it can write."
    ),
    errors.StorageNotOpenedError: (
        "This is typical if the volume is not mounted, if it belongs to another user (the container runs as an"
        " unprivileged one), or if a folder has the file's name. SQLite creates journals next to the file, so the"
        " folder must be writable too."
    ),
    errors.StorageDiskError: "Check the system log. Acknowledged usage was already on the disk.",
    errors.StorageLoginError: (
        "The server responded, so it is an incorrect password, a missing role or database, a rule in `pg_hba.conf`,"
        " or a role that may not create tables in its schema. Percent-encode special characters in the password. The"
        " server's log shows which it is; this service never shows the URL."
    ),
    errors.StorageHostUnknownError: "In Kubernetes and Compose, the name is that of the database's service.",
    errors.StorageTlsError: (
        "`sslmode=verify-full` needs the certificate authority of the server's certificate:"
        " `sslrootcert=/path/to/ca.pem`, or `sslrootcert=system`."
    ),
    errors.StorageOptionsError: (
        "Use the options of PostgreSQL's connection strings, such as `sslmode=verify-full`, and `prepare_threshold`."
        " Values in `options` are kept; the service sets the time zone and the timeouts itself. A pooler such as"
        " pgbouncer refuses `options`; set a search path with `ALTER ROLE … SET search_path` instead."
    ),
}
"""What to look for when the database is in trouble; one entry for each kind."""


def causes() -> Iterator[str]:
    """Yield an entry for each cause of a failed attempt or connection test."""
    for cause in Cause:
        found = EXPLANATIONS[cause]
        yield f"### `{cause.value}`\n{found.sentence}\n\n"
        yield f"- **Next step:** {found.next_step}\n- **Who can fix it:** {_owner(found.owner)}\n- {MORE[cause]}\n\n"


def _owner(owner: Owner) -> str:
    return "no one has to" if owner is Owner.NOBODY else owner.value


def health_codes() -> Iterator[str]:
    """Yield an entry for each state of health that is not named after a cause."""
    known = {cause.value for cause in Cause}
    for code, found in states_of_health().items():
        if code not in known:
            states = " or ".join(dict.fromkeys(h.status.value.replace("_", " ").title() for h in found))
            health = found[0]
            yield f"### `{code}`\n**{states}.** {health.cause}\n\n"
            yield f"- **Next step:** {health.next_step}\n- **Who can fix it:** {_owner(health.owner)}\n\n"


def states_of_health() -> dict[str, list[Health]]:
    """Return the healths for each code that the health rules can give; their dates are examples."""
    found: dict[str, list[Health]] = {}
    for situation in situations():
        health = assess(situation)
        found.setdefault(health.code, []).append(health)
    return found


def situations() -> Iterator[Situation]:
    """Yield a situation for each code and more; those that say most come first."""
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    minute, day, due = timedelta(minutes=1), timedelta(days=1), datetime(2026, 11, 15, 2, tzinfo=UTC)
    setups = [Setup(*answers) for answers in itertools.product((True, False), repeat=6)]
    exchanges = (LastExchange(now, ok=True, cause=None, sequence=1), None)
    waiting = (
        Waiting(),
        Waiting(planned=1, next_attempt_at=now + 4 * minute),
        Waiting(planned=1, next_attempt_at=now - day),
        Waiting(held=2),
        Waiting(rejected=3),
    )
    runs = (
        Run(due, "prepared", of_open_period=False, answered=True),
        Run(due, "prepared", of_open_period=False, answered=False),
        Run(due, "api_key_missing", of_open_period=True, answered=False),
        Run(due, CONTRADICTION, of_open_period=True, answered=False),
    )
    next_runs = (datetime(2026, 12, 1, 2, tzinfo=UTC), due)
    product = itertools.product(setups, exchanges, (now - day, now - 9 * day, None), waiting, runs, next_runs)
    for setup, exchange, accepted, waits, run, next_run in product:
        yield Situation(
            now=now,
            setup=setup,
            reportable=setup.enabled,
            exchange=exchange,
            last_accepted_at=accepted,
            waiting=waits,
            run=run,
            next_run_at=next_run,
            send_offset=timedelta(0),
            longest_wait=RetryPolicy().longest,
        )


def storage_codes() -> Iterator[str]:
    """Yield an entry for each kind of trouble with the database."""
    for kind in _kinds(StorageUnavailableError):
        yield f"### `{kind.code}`\n{kind.sentence}\n\n- {MORE_OF_STORAGE[kind]}\n\n"


def refusals() -> Iterator[str]:
    """Yield a row for each code with which a call or a command is refused."""
    for code, kind in sorted(error_kinds().items()):
        status = next((STATUS[parent].value for parent in kind.__mro__ if parent in STATUS), None)
        yield f"| `{code}` | {status or '–'} | {exit_code(kind).value} | {kind.sentence} |\n"


def error_kinds() -> dict[str, type[TelemetryError]]:
    """Return the errors of the whole house by their code; a subclass without one of its own is its parent's."""
    for module in pkgutil.walk_packages(telemetry_service.__path__, "telemetry_service."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return {
        kind.code: kind for kind in _kinds(TelemetryError) if "code" in vars(kind) and _INSIDE not in kind.__module__
    }


def exit_code(kind: type[TelemetryError]) -> ExitCode:
    """Return the exit code of a command that ends with such an error."""
    # The exit code depends on the kind alone, so it is asked for without making one up from arguments.
    return ExitCode.SETTINGS if kind is SettingsError else exit_code_of(kind.__new__(kind))


def _kinds(kind: type[TelemetryError]) -> Iterator[type[TelemetryError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def page() -> str:
    """Return the page."""
    text = (FOLDER / "troubleshooting.md.in").read_text()
    parts = {"{causes}": causes(), "{health}": health_codes(), "{storage}": storage_codes(), "{errors}": refusals()}
    for place, generated in parts.items():
        text = text.replace(place + "\n", "".join(generated))
    return text


def main() -> int:
    """Write the page, or with ``--check`` return 1 where it is not current."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.read_text() != page():
        print("docs/troubleshooting.md is out of date: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
