"""What the troubleshooting page says in addition to the sentences of the causes, the health codes and the errors.

``.ci/troubleshooting_page.py`` renders it. The texts are Markdown; links are relative to ``docs/``. The details of a
cause are in ``causes.py``.
"""

from dataclasses import dataclass

from telemetry_service.domain import errors
from telemetry_service.domain.errors import StorageUnavailableError


@dataclass(frozen=True, slots=True)
class Symptom:
    """What an administrator observes, and what to check."""

    title: str
    text: str


START = (
    "Start with `doctor`. It checks settings, keys, database, schema, disk, clock, and connection, and its exit code"
    " shows the kind of problem."
)
CODES = (
    "Every problem has a **code**. The settings tab shows it with its sentence. The REST API returns it at the end of"
    " the problem's `type` (`urn:control-core:telemetry:problem:<code>`) or as `cause.code`. The command line prints"
    " it in parentheses. This page explains each code."
)

SYMPTOMS = (
    Symptom(
        "Connection test fails.",
        "The steps show how far the test got. If *name* or *tcp* fails, check the network. If *tls* or *certificate*"
        " fails, check proxies and firewalls (and this machine's clock). If *response* fails, the server that"
        " responded is not a License Server, or it has a problem. If *api_key* fails, check the key. Then look up the"
        " cause below.",
    ),
    Symptom(
        "Zero values in the preview.",
        "Are bouncers registered (`GET /api/v1/bouncers`)? Do they report (`POST /api/v1/usage` returns the number of"
        " accepted reports)? Was a payload sent a moment ago? *Send Now* and every scheduled run start a new period at"
        " zero. A repeated `report_id` is a duplicate and is not counted again.",
    ),
    Symptom(
        "Transmissions fail.",
        "Open one in the history: each attempt shows its cause, its response code, and its time. *Retrying* ones are"
        " retried automatically, *held* ones wait for a new API key or connection, and *rejected* ones wait for the"
        " next run or *Retry*. None is ever lost, and each counts once, no matter how often it is retried.",
    ),
    Symptom(
        "Encryption or anonymization errors.",
        "[`api_key_unusable`](#api_key_unusable): the stored key was encrypted with a different `ENCRYPTION_KEY`."
        " [`payload_refused`](#payload_refused): the License Server may require encryption; check that both settings"
        " are on.",
    ),
    Symptom(
        "Accepted, but *unverified*.",
        "A License Server key is pinned (`TELEMETRY_LICENSE_SERVER_PUBLIC_KEY`), and the response contained no receipt"
        " signed with it. The payload counts as accepted. Compare the pinned key with the one that the vendor"
        " publishes.",
    ),
    Symptom(
        "Accepted, but tier or status is *unknown* or old.",
        "An optional part of a response never undoes an acceptance. The log and the ledger note what was left out."
        " `license_value_unknown`: a tier or status that this version does not know. `license_dropped`,"
        " `receipt_dropped`: an unreadable value. `receipt_header_not_allowed`, `receipt_claim_not_allowed`: the"
        " receipt has a member that the [protocol](protocol.md#receipts) does not list, such as `jku` or `iss`."
        " `license_unsigned`: a key is pinned, but the license is not in the signed receipt.",
    ),
    Symptom(
        "Nothing happens at 02:00 UTC.",
        "The period closes at that time; the payload is sent up to `TELEMETRY_SEND_SPREAD_SECONDS` later. The tab"
        " shows both times. Runs missed while the service was down are repeated as one at the next start. A run that"
        " created no payload because something was not configured is repeated once it is configured, unless *Send Now*"
        " or turning telemetry off closed its period in between.",
    ),
    Symptom(
        "The service does not start.",
        "It prints one line for each invalid setting and exits with code 3. If the problem is [the"
        " database](#the-database), it exits with code 4 and prints the code.",
    ),
    Symptom(
        "No one can log in.",
        "There is no default account; run `telemetry-service admin set-password`. After five incorrect passwords from"
        " an address or a browser, it has to wait, up to 15 minutes; others do not ([logins](operations.md#logins))."
        " Setting the password ends every wait.",
    ),
    Symptom(
        "Everyone had to log in again, and tokens are refused.",
        "`CREDENTIAL_ENCRYPTION_KEY` was replaced instead of extended: see [rotating"
        " keys](operations.md#rotating-keys).",
    ),
    Symptom(
        "Something stored cannot be decrypted.",
        "`telemetry-service doctor` names each kind of value, and what to do. Nothing is deleted: put the missing key"
        " back into `ENCRYPTION_KEY`, and everything can be read again. Only if it is lost, enter the API key"
        " again; where `TELEMETRY_API_KEY` sets it, restart the service.",
    ),
    Symptom(
        "Two attempts in the same second, the first with 401.",
        "The API key was replaced, and the License Server does not know the new one yet:"
        " [the old key is tried too](operations.md#the-api-key), for up to 24 hours.",
    ),
)

HEALTH_CODES = (
    "An *Unhealthy* status has the code of the failed attempt or connection test, listed above. The other codes"
    " follow; numbers and dates are examples. *Healthy* and *Warning* depend only on the latest exchange, the latest"
    " acceptance, and the decisions that are left to a person: releases, new fields, receipts. If the connection works"
    " but something still needs attention, the code says so, and `doctor` does not report ok."
)
DATABASE = (
    "Each of these codes stops a start or a command with exit code 4. While the service runs, the API returns 503 with"
    " the code (507 if the disk is full), counts nothing that it refused, and logs the code every few seconds."
    " `/readyz` returns 503 once nothing could be written for a minute."
)
REFUSALS = (
    "The table lists the code, the HTTP status of the REST API (– if only a command or the start can fail with it),"
    " the exit code of a command, and the sentence."
)

STORAGE: dict[type[StorageUnavailableError], str] = {
    StorageUnavailableError: (
        "The server does not respond within the [limit](operations.md#postgresql), or the connection was lost. Once"
        " it is back, no action is needed: reporters resend what was not acknowledged, and the schedule retries every"
        " few seconds."
    ),
    errors.StorageBusyError: (
        "Another process holds the write lock for more than 10 seconds: a backup that copies the file, a shell with"
        " an open transaction, a migration on SQLite, or a second service on the same SQLite file."
    ),
    errors.LedgerBusyError: (
        "Another replica was stopped or hangs while it writes to the ledger. Recording usage is not affected."
        " PostgreSQL ends its session after 30 seconds; then everything works again. If it repeats, look for a replica"
        " that is out of memory or CPU."
    ),
    errors.LedgerNotKeptError: (
        "A trigger or a rule in the database drops or changes entries. The service has none: remove it, and find out"
        " who added it. Then everything works again."
    ),
    errors.ErasureNotKeptError: (
        "A trigger or a rule in the database keeps rows from being deleted. The service has none: remove it, and find"
        " out who added it. If the ledger has an entry about the erasure already, what it names is erased only once a"
        " second one has ended without this error."
    ),
    errors.MigrationUnderWayError: (
        "A replica of a newer version is starting, or `migrate` is running, and has not finished within 10 seconds. A"
        " service that starts in the meantime waits until it is done; run a command again after that."
    ),
    errors.PurgeNotKeptError: (
        "A trigger or a rule in the database keeps rows from being deleted. The service has none: remove it, and find"
        " out who added it. The purge is tried again within minutes. If the ledger has an entry about it already, what"
        " that names is deleted only once a purge has ended without this error."
    ),
    errors.RowNumbersUsedUpError: (
        "The service counts from 1, so it never writes such a row. In the table `sqlite_sequence`, find the table whose"
        " `seq` is 9223372036854775807. Delete its row with this number, set `seq` to the largest number that is left,"
        " and find out who added it. Then everything works again."
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
"""What to check when the database has a problem: one entry for each kind."""
