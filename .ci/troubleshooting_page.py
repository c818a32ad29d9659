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
from telemetry_service.domain.situation import CONTRADICTION, Run, Situation, Waiting
from telemetry_service.domain.transmissions import LastExchange
from telemetry_service.web.errors.problems import STATUS

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "troubleshooting.md"

_INSIDE = ".license_server."
"""What is raised in there becomes a cause before anybody sees it."""

MORE: dict[Cause, str] = {
    Cause.NAME_NOT_RESOLVED: (
        "Look at the resolver of the host or the pod. With an outbound proxy only the proxy resolves the "
        "name: set `TELEMETRY_PROXY_URL`."
    ),
    Cause.CONNECTION_REFUSED: (
        "Somebody answered, and said no. A firewall that rejects does the same as a server that is down."
    ),
    Cause.CONNECTION_FAILED: (
        "Nobody answered. This is what a firewall that silently drops looks like. The service needs outbound "
        "HTTPS to one host, directly or through a proxy."
    ),
    Cause.CONNECTION_LOST: (
        "The payload may have arrived. It is sent again under the same id; if it had arrived, the answer is "
        "*duplicate*, which is a success."
    ),
    Cause.PROXY_FAILED: (
        "The proxy was reached, or not even that; it did not connect us. Wrong credentials, and a rule of the"
        " proxy against the destination, end here as well."
    ),
    Cause.DEADLINE_EXCEEDED: (
        "The whole exchange has one deadline of 30 seconds, so that a trickling answer cannot hold it for ever."
    ),
    Cause.TLS_FAILED: "Typical where something on the way breaks TLS open, or where the port speaks another protocol.",
    Cause.TLS_VERSION: "TLS 1.2 is the least that is spoken, in both directions.",
    Cause.CERTIFICATE_EXPIRED: (
        "If this machine's clock is wrong every certificate looks invalid: `telemetry-service doctor` "
        "compares the clock with what the database knows."
    ),
    Cause.CERTIFICATE_WRONG_HOST: (
        "Certificates are always verified, and there is no switch that turns it off. The name must stand among the "
        "certificate's alternative names; its common name is not looked at (RFC 9525)."
    ),
    Cause.CERTIFICATE_UNTRUSTED: (
        "`TELEMETRY_LICENSE_SERVER_CA_FILE` names a PEM file of authorities that are trusted beside the system's: "
        "a root, the authority that issued the certificate, or the certificate itself. A file that is replaced is read "
        "again without a restart, and what was held goes out; one that cannot be read any more leaves the authorities "
        "as they were, with a warning in the log."
    ),
    Cause.CLOCK_WRONG: (
        "A message whose timestamp is more than 5 minutes off is refused, because it could be an old one repeated. "
        "The License Server says the time in each answer; the two clocks were compared when it refused."
    ),
    Cause.API_KEY_NOT_ACCEPTED: (
        "Held transmissions go out by themselves as soon as another key is saved, and at every tick. A key "
        "can be tested before it is saved."
    ),
    Cause.FORBIDDEN: (
        "The key is right. Held transmissions are tried again at every tick, when the key or the connection "
        "is changed, and after a *Test Connection* that succeeded."
    ),
    Cause.BUSY: "The answer was 408, 425, 429 or 503. `Retry-After` is obeyed, between 1 minute and 6 hours.",
    Cause.SERVER_ERROR: (
        "The answer was another 5xx, whichever it was, or a status that HTTP does not have. It is tried again after "
        "1 minute, then later and later, up to every 6 hours, and at every tick."
    ),
    Cause.REDIRECTED: "A redirect could lead the payload anywhere, so it counts as a refusal.",
    Cause.NOT_FOUND: "The answer was 404 or 405.",
    Cause.PAYLOAD_REFUSED: (
        "The answer was 400, 411, 413, 415 or 422. One refused payload never blocks the ones behind it; it is"
        " tried again at the next tick, and by *Retry*."
    ),
    Cause.ID_CONFLICT: "The answer was 409, about bytes that are not ours.",
    Cause.UNEXPECTED_STATUS: "The response code is in the details of the transmission.",
    Cause.ANSWER_MALFORMED: (
        "A page that asks to log in answers 200 as well: only an answer that names our transmission is an "
        "acceptance. It is tried again at the next tick, and by *Retry*."
    ),
    Cause.ANSWER_TOO_LARGE: "No more than 64 KiB of an answer are read.",
    Cause.INTERRUPTED: "A claim is a lease of two minutes; afterwards this or another replica goes on.",
    Cause.PAYLOAD_INVALID: (
        "This is checked again after the last change and before the sealing, so that nothing that is not on "
        "the list can leave."
    ),
}
"""What the product's own sentences leave out. A cause without an entry is an error here."""

MORE_OF_STORAGE: dict[type[TelemetryError], str] = {
    StorageUnavailableError: (
        "The server does not answer within the [bound](operations.md#postgresql), or the connection broke off. Nothing"
        " is to be done here once it is back: reporters"
        " send again what was not acknowledged, and the schedule tries again every few seconds."
    ),
    errors.StorageBusyError: (
        "Another process holds the write lock for more than 10 seconds: a backup that copies the file, a shell that was"
        " left open in a transaction, a second service on the same SQLite file."
    ),
    errors.StorageFullError: "What was acknowledged is safe. The service goes on by itself once there is space.",
    errors.StorageDamagedError: (
        "Look first whether `TELEMETRY_DATABASE_URL` names the right file: one that is no SQLite database is left as it"
        " is. A damaged one is not repaired; stop the service, keep the file, and restore the latest"
        " [backup](operations.md#backup)."
    ),
    errors.SchemaIncompleteError: (
        "Somebody changed the tables by hand, or restored a part of them; the start and the doctor name what is"
        " missing. Restore a whole [backup](operations.md#backup)."
    ),
    errors.StorageReadOnlyError: (
        "SQLite: the file or its file system is read-only for this account, which writes the file and a journal beside"
        " it. PostgreSQL: this is a standby, or the database is set to `default_transaction_read_only`. The service"
        " goes on by itself once it can write."
    ),
    errors.StorageNotOpenedError: (
        "Typical where the volume is not mounted, belongs to another user (the container runs as one without rights),"
        " or where a folder has the name of the file. SQLite makes journals beside the file, so the folder must be"
        " writable too."
    ),
    errors.StorageDiskError: "Look at the system's log. What was acknowledged had been on the disk before.",
    errors.StorageLoginError: (
        "The server answered: a wrong password, a role or a database that does not exist, a rule in `pg_hba.conf`, or a"
        " role that may make no tables in its schema. Special characters in the password must be percent-encoded."
        " The server's own log says which it is; this service shows nothing of the URL."
    ),
    errors.StorageHostUnknownError: "In Kubernetes and Compose the name is that of the database's service.",
    errors.StorageTlsError: (
        "`sslmode=verify-full` needs the authority of the server's certificate: `sslrootcert=/path/to/ca.pem`, or"
        " `sslrootcert=system`."
    ),
    errors.StorageOptionsError: (
        "The options are those of PostgreSQL's connection strings, such as `sslmode=verify-full`, and"
        " `prepare_threshold`. Those in `options` are kept; the time zone and the time-outs are the service's own. A"
        " pooler such as pgbouncer refuses `options`: set a search path with `ALTER ROLE … SET search_path`."
    ),
}
"""What to look for when the database is in trouble; one entry for each kind."""


def causes() -> Iterator[str]:
    """Yield an entry for each cause of a failed attempt or connection test."""
    for cause in Cause:
        found = EXPLANATIONS[cause]
        yield f"### `{cause.value}`\n{found.sentence}\n\n"
        yield f"- **Next step:** {found.next_step}\n- **Who can fix it:** {found.owner}\n- {MORE[cause]}\n\n"


def health_codes() -> Iterator[str]:
    """Yield an entry for each state of health that is not named after a cause."""
    known = {cause.value for cause in Cause}
    for code, found in states_of_health().items():
        if code not in known:
            states = " or ".join(dict.fromkeys(h.status.value.replace("_", " ").title() for h in found))
            health = found[0]
            yield f"### `{code}`\n**{states}.** {health.cause}\n\n"
            yield f"- **Next step:** {health.next_step}\n- **Who can fix it:** {health.owner}\n\n"


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
        print("docs/troubleshooting.md is not what the code says: run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
