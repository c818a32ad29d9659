"""The root of our own errors, each with a stable code and a sentence that is safe to show.

An error never carries the text of a library's exception, which could contain a URL, a host or a key. Only ``web/`` maps
errors to HTTP status codes; the command line maps them to exit codes.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple
from uuid import UUID

from telemetry_service.domain.consequences import Consequences
from telemetry_service.domain.locks import Setting, set_by


class TelemetryError(Exception):
    """The root. ``code`` is stable and public; ``sentence`` may be shown to anyone."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "The telemetry service had an internal error."

    def __init__(self, sentence: str | None = None) -> None:
        """Use ``sentence`` if it says more than the class does; it must not contain a secret."""
        self.text = sentence or self.sentence
        super().__init__(self.text)


class SettingsError(TelemetryError):
    """The deployment's settings are wrong; raised at startup, one line per problem."""

    code = "settings-invalid"
    sentence = "The deployment settings are not valid."

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep each problem, which names the variable and never its value."""
        self.problems = problems
        super().__init__("\n".join(problems))


class StorageUnavailableError(TelemetryError):
    """The database cannot be used now. Nothing was lost: the request was not acknowledged."""

    code = "storage-unavailable"
    sentence = "The database cannot be reached. Nothing was recorded; try again."


class StorageFullError(StorageUnavailableError):
    """The disk that holds the database is full."""

    code = "storage-full"
    sentence = "The disk that holds the database is full. Nothing was recorded; free some space and try again."


class RowNumbersUsedUpError(StorageFullError):
    """A row with the largest number that SQLite has was added, so no other can follow it."""

    code = "row-numbers-used-up"
    sentence = (
        "Someone has added a row with the largest possible number to the database, so no other can follow. Nothing was"
        " recorded."
    )


class StorageBusyError(StorageUnavailableError):
    """Another process held the database's write lock for too long."""

    code = "storage-busy"
    sentence = "The database is locked by another process. Nothing was recorded; try again."


class LedgerBusyError(StorageBusyError):
    """Another process held the end of the ledger for too long, so the act could not be recorded and did not happen."""

    code = "ledger-busy"
    sentence = "Another process is writing to the ledger. Nothing was changed; try again."


class LedgerNotKeptError(StorageUnavailableError):
    """The database does not have an entry of the ledger that was just written, so the act did not happen."""

    code = "ledger-not-kept"
    sentence = (
        "The database did not keep an entry of the ledger as it was written. Nothing was changed; look for a trigger"
        " that someone has added."
    )


class PurgeNotKeptError(StorageUnavailableError):
    """The database still has what the purge has deleted."""

    code = "purge-not-kept"
    sentence = (
        "The database did not delete all that is older than the retention. Look for a trigger that someone has added,"
        " and remove it."
    )


class ErasureNotKeptError(StorageUnavailableError):
    """The database still has what was just deleted."""

    code = "erasure-not-kept"
    sentence = (
        "The database did not delete all that was to be erased. Look for a trigger that someone has added, remove it,"
        " and erase again."
    )


class MigrationUnderWayError(StorageBusyError):
    """Another process is migrating the database to the schema of its version."""

    code = "migration-under-way"
    sentence = "Another process is upgrading the database. Nothing was recorded; try again when it is done."


class StorageDamagedError(StorageUnavailableError):
    """The file is not a database, or its pages contradict each other."""

    code = "storage-damaged"
    sentence = (
        "The database is damaged, or TELEMETRY_DATABASE_URL does not point to a database. Nothing was changed;"
        " correct the setting or restore a backup."
    )


class SchemaIncompleteError(StorageUnavailableError):
    """A table or a column that this version needs is missing, although the database says that it is current."""

    code = "schema-incomplete"
    sentence = (
        "The database is missing a table or column that this version needs. Nothing was recorded; restore a backup."
    )

    def __init__(self, missing: Sequence[str] = ()) -> None:
        """Name what is ``missing``, if known: our own tables and columns, which are not secret."""
        super().__init__(f"{self.sentence} Missing: {', '.join(missing)}." if missing else None)


class StorageReadOnlyError(StorageUnavailableError):
    """The database can be read but not written."""

    code = "storage-read-only"
    sentence = (
        "The database is read-only. Nothing was recorded; give this service's account write access to the file and"
        " its folder, or point to the primary server."
    )


class StorageNotOpenedError(StorageUnavailableError):
    """The database file, or one of its companion files, cannot be opened or created."""

    code = "storage-not-opened"
    sentence = (
        "The database file cannot be opened or created. Nothing was recorded; give this service's account read and"
        " write access to the file and its folder."
    )


class StorageDiskError(StorageUnavailableError):
    """The operating system could not read or write the disk."""

    code = "storage-disk-failing"
    sentence = "The disk that holds the database cannot be read or written. Nothing was recorded; check the disk."


class StorageLoginError(StorageUnavailableError):
    """The database server responds, but does not let this service in."""

    code = "storage-login-refused"
    sentence = (
        "The database server rejected the user, password, or database name. Nothing was recorded; check"
        " TELEMETRY_DATABASE_URL and the role's privileges."
    )


class StorageHostUnknownError(StorageUnavailableError):
    """The name of the database server cannot be resolved."""

    code = "storage-host-unknown"
    sentence = (
        "The database server's name cannot be resolved. Nothing was recorded; check TELEMETRY_DATABASE_URL and this"
        " host's DNS."
    )


class StorageTlsError(StorageUnavailableError):
    """A verified TLS connection to the database server cannot be established."""

    code = "storage-tls-failed"
    sentence = (
        "The database server cannot be reached over TLS as TELEMETRY_DATABASE_URL requires. Nothing was recorded;"
        " check sslmode and sslrootcert."
    )


class StorageOptionsError(StorageUnavailableError):
    """The URL of the database has an option that the driver does not take."""

    code = "storage-options-invalid"
    sentence = "An option after the question mark in TELEMETRY_DATABASE_URL is not a PostgreSQL option."

    def __init__(self, options: Sequence[str] = ()) -> None:
        """Name the ``options`` that are known; an unknown one could be part of a password."""
        super().__init__(f"{self.sentence} Unknown: {', '.join(options)}." if options else None)


class RowUnreadableError(TelemetryError):
    """A row of the database holds what this service never writes: a value of another type, or an impossible one."""

    code = "row-unreadable"
    sentence = "A row of the database cannot be read. Nothing was changed or sent; restore the row from a backup."

    def __init__(self, column: str = "") -> None:
        """Name the ``column``, with its table: both are ours, and not secret. The value is never repeated."""
        self.column = column
        super().__init__(f"{self.sentence} Unreadable: {column}." if column else None)

    @classmethod
    def of(cls, sentence: str) -> "RowUnreadableError":
        """Return the error with a sentence that names several rows."""
        error = cls()
        error.text = sentence
        return error


class SchemaTooNewError(TelemetryError):
    """The database was migrated by a newer version of this service."""

    code = "schema-too-new"
    sentence = "The database belongs to a newer version of this service. Start that version, or restore a backup."


class DatabaseMissingError(TelemetryError):
    """There is no database, or it was never set up. Only the service and ``migrate`` create one."""

    code = "database-missing"
    sentence = (
        "There is no database at TELEMETRY_DATABASE_URL yet. Check the setting and the folder. To set up a new"
        " installation, start the service or run telemetry-service migrate."
    )


class SchemaBehindError(TelemetryError):
    """The database was created by an older version of this service and has not been migrated."""

    code = "schema-behind"
    sentence = (
        "The database schema is older than this version. Start this version of the service, or run telemetry-service"
        " migrate."
    )


class ServiceRunningError(TelemetryError):
    """A command needs the database for itself, and the service uses it."""

    code = "service-running"
    sentence = "The service is using this database. Nothing was changed; stop the service, then try again."


class NotABackupError(TelemetryError):
    """The file is not a complete SQLite database of this service."""

    code = "not-a-backup"
    sentence = "This file is not a complete backup of this service. Nothing was changed; choose another one."


class DatabaseNotEmptyError(TelemetryError):
    """A database cannot be moved into one that holds something."""

    code = "database-not-empty"
    sentence = (
        "The target database is not empty. Nothing was changed; name an empty one, or a file that does not exist."
    )


class DoneByPostgresqlError(TelemetryError):
    """PostgreSQL has its own programs for this."""

    code = "done-by-postgresql"
    sentence = (
        "PostgreSQL's own programs back up and restore this database. Nothing was written; the command to run is in the"
        " output."
    )


class KeyUnusableError(TelemetryError):
    """A stored secret cannot be opened with any of the configured keys."""

    code = "key-unusable"
    sentence = (
        "The stored API key cannot be decrypted with this ENCRYPTION_KEY. Check ENCRYPTION_KEY in the deployment, or"
        " enter the API key again."
    )


class NotConfiguredError(TelemetryError):
    """The API key, the License Server or the customer ID is missing."""

    code = "not-configured"
    sentence = "No API key is configured. Enter the API key, test the connection, and save."


class LicenseServerMissingError(NotConfiguredError):
    """No License Server is configured."""

    sentence = "No License Server is configured. Set TELEMETRY_LICENSE_SERVER_URL in the deployment."


class CustomerIdMissingError(NotConfiguredError):
    """Neither the deployment nor the license posture names the customer."""

    sentence = (
        "This installation's customer ID is unknown. Set TELEMETRY_CUSTOMER_ID in the deployment, or report it with"
        " the license."
    )


class TelemetryDisabledError(TelemetryError):
    """Telemetry is off, so nothing contacts the License Server."""

    code = "telemetry-disabled"
    sentence = "Telemetry is off; nothing contacts the License Server. Turn on Enable Telemetry and save."


class RestoredError(TelemetryError):
    """The database is a restored copy, and it is not known yet what was sent since."""

    code = "restored"
    sentence = (
        "This database was restored from a backup, so nothing is sent until it is known what was sent since. Say"
        " whether the current period's counts were sent before."
    )


class SettingsChangedError(TelemetryError):
    """Someone has changed rows that decide what is sent, past the service."""

    code = "settings-changed"
    sentence = (
        "Someone changed the database: what decides what is sent is not as the service stored it. Find out who did it,"
        " check the settings, then save them again."
    )


class NotVerifiedYetError(TelemetryError):
    """Whether someone has changed rows that decide what is sent is unknown until the ledger was verified again."""

    code = "not-verified-yet"
    sentence = (
        "The service has to verify the ledger first, because entries are missing, changed, or not verified yet."
        " It does so within minutes; then try again."
    )


class NotRestoredError(TelemetryError):
    """The database is no restored copy, or it is known what was sent since."""

    code = "not-restored"
    sentence = "This database was not restored from a backup, or it was already said what was sent since."


class BundlesOnlyError(TelemetryError):
    """Payloads leave in bundle files only, so nothing contacts the License Server."""

    code = "bundles-only"
    sentence = (
        "Nothing contacts the License Server: payloads leave in bundle files (TELEMETRY_DELIVERY=bundle). Export a"
        " bundle, take it to the License Server, and import its receipts."
    )


class NoBundlesError(TelemetryError):
    """Payloads are sent online, so none is exported."""

    code = "no-bundles"
    sentence = "Payloads are sent online. To export them in bundles instead, set TELEMETRY_DELIVERY=bundle."


class NothingToExportError(TelemetryError):
    """No payload waits, so a bundle would be empty."""

    code = "nothing-to-export"
    sentence = "No payload is waiting, so there is nothing to export."


class ReceiptKeyMissingError(TelemetryError):
    """Receipts cannot be verified, because no key of the License Server is pinned."""

    code = "receipt-key-missing"
    sentence = (
        "Receipts can be imported only if they can be verified. Set TELEMETRY_LICENSE_SERVER_PUBLIC_KEY in the"
        " deployment."
    )


class ReceiptsMalformedError(TelemetryError):
    """The file is not one of receipts. Nothing of it was imported."""

    code = "receipts-malformed"
    sentence = (
        "This is not a file of receipts: a JSON object with the members receipts and refused, each a list of signed"
        " texts. Nothing was imported."
    )


class SettingLockedError(TelemetryError):
    """The deployment sets what someone wants to change."""

    code = "setting-locked"
    sentence = "Nothing was changed: the deployment sets this with a variable, so change it there."

    @classmethod
    def of(cls, settings: Iterable[Setting]) -> "SettingLockedError":
        """Return the error about these settings, with the variables that set them."""
        return cls(f"Nothing was changed: the deployment sets this with {set_by(settings)}, so change it there.")


class StaleConfigurationError(TelemetryError):
    """Someone else saved the configuration in the meantime."""

    code = "stale-configuration"
    sentence = (
        "Someone else has saved these settings since you opened them. Review the current settings and save again."
    )


class StaleBouncersError(TelemetryError):
    """The registry, or a bouncer of it, was changed since the caller read it."""

    code = "stale-bouncers"
    sentence = "The registration has changed since you read it. Nothing was changed; read it again."


class PreviewStaleError(TelemetryError):
    """What would be sent is no longer what the caller has seen. Nothing was closed or sent."""

    code = "stale-preview"
    sentence = "The payload has changed since you viewed it. Nothing was sent; review it again and confirm."


class StaleLicenseError(TelemetryError):
    """The license was changed since the caller read it."""

    code = "stale-license"
    sentence = "The license posture has changed since you read it. Nothing was changed; read it again."


class ConfirmationRequiredError(TelemetryError):
    """The save would delete something permanently, and that was not confirmed."""

    code = "confirmation-required"
    sentence = (
        "This would delete data or close a period without sending it. To proceed, repeat the request with"
        " ?confirm=true."
    )

    def __init__(self, consequences: Consequences | None = None) -> None:
        """Say how much would be lost."""
        self.consequences = consequences
        lost = consequences.sentences if consequences else ()
        super().__init__(" ".join((*lost, "To proceed, repeat the request with ?confirm=true.")) if lost else None)


class PreconditionRequiredError(TelemetryError):
    """A save must say which version of the configuration it changes."""

    code = "precondition-required"
    sentence = "Send the configuration's ETag in the If-Match header."


class CustomerContradictionError(TelemetryError):
    """The license posture names a different customer than the deployment."""

    code = "customer-contradiction"
    sentence = "This customer_id does not match the one configured in the deployment."


class ExtensionCodeConflictError(TelemetryError):
    """The code was already recorded with a different redemption time."""

    code = "extension-code-conflict"
    sentence = "This extension code was already recorded with a different redeemed_at."


class PayloadContradictionError(TelemetryError):
    """The period's numbers contradict each other, so the payload is not built and the period stays open."""

    code = "payload-contradiction"
    sentence = "This period's counts are inconsistent, so it was not sent. The period stays open; contact support."


class PayloadChangedError(TelemetryError):
    """The stored payload is not the one that was signed when its period was closed, so it is not sent."""

    code = "payload-changed"
    sentence = "The stored payload is not the one that was signed when its period was closed, so it is not sent."


class PayloadSchemaUnknownError(TelemetryError):
    """The stored payload has a schema that only a newer version knows."""

    code = "payload-schema-unknown"
    sentence = "A newer version of the service prepared this payload; only that version can send it."


class NotAwaitingReleaseError(TelemetryError):
    """The transmission never waited for a release."""

    code = "not-awaiting-release"
    sentence = "This transmission is not waiting for its release. Nothing was changed."


class AwaitingReleaseError(TelemetryError):
    """The transmission waits for its release, so it is not sent."""

    code = "awaiting-release"
    sentence = "This transmission is waiting for its release. Release it, or withdraw it."


class WithdrawnError(TelemetryError):
    """The transmission was withdrawn, which is final."""

    code = "withdrawn"
    sentence = "This transmission was withdrawn and is never sent."


class MayHaveArrivedError(TelemetryError):
    """The transmission cannot be withdrawn: the License Server may have it."""

    code = "may-have-arrived"
    sentence = (
        "This transmission cannot be withdrawn: an attempt may have reached the License Server. It is sent again with"
        " the same ID until it is accepted, and is counted once."
    )


class ReceiptNotMissingError(TelemetryError):
    """The transmission does not wait for a receipt."""

    code = "receipt-not-missing"
    sentence = "This transmission is not waiting for a receipt. Nothing was changed."


class ReasonRefusedError(TelemetryError):
    """The reason cannot be kept."""

    code = "reason-invalid"
    sentence = "Give a reason of 1 to 500 characters, on one line."


class IdempotencyKeyInUseError(TelemetryError):
    """The call with the same Idempotency-Key has not ended yet."""

    code = "idempotency-key-in-use"
    sentence = (
        "A call with this Idempotency-Key is still being carried out. Repeat the call in a moment for its result."
    )


class RefusedReport(NamedTuple):
    """A report for which the open period has no room."""

    place: int
    """Its index in the call."""
    report_id: UUID
    field: str
    problem: str


class UsageRefusedError(TelemetryError):
    """Reports that the open period has no room for. Nothing of their call was recorded."""

    def __init__(self, problems: Sequence[RefusedReport]) -> None:
        """Keep what is wrong with each refused report."""
        self.problems = tuple(problems)
        super().__init__()


class PeriodFullError(UsageRefusedError):
    """A sum of the open period would become larger than a payload can carry."""

    code = "period-full"
    sentence = (
        "A total of the open period would exceed 2^53-1, the largest number a payload can hold. Nothing from this"
        " request was recorded; resend it without the reports listed in errors, and send those again in the next"
        " period."
    )


class TooManyBouncersError(UsageRefusedError):
    """The open period has reached its limit of distinct bouncers."""

    code = "too-many-bouncers"
    sentence = (
        "The open period has reached its maximum number of bouncers (TELEMETRY_MAX_BOUNCERS). Nothing from this"
        " request was recorded; resend it without the reports listed in errors, and send those again in the next"
        " period or after raising the limit."
    )


class BouncerOfSourceError(TelemetryError):
    """Only the source database registers this bouncer, so no one else can remove it."""

    code = "bouncer-of-source"
    sentence = (
        "The source database registers this bouncer, so it would be registered again. Remove it from the view"
        " telemetry_source_bouncers."
    )


class RegistryFullError(TelemetryError):
    """The registry has reached its limit of bouncers."""

    code = "registry-full"
    sentence = (
        "The registry has reached its maximum number of bouncers (TELEMETRY_MAX_BOUNCERS). Nothing was changed;"
        " remove a bouncer that is no longer in use, or raise the limit."
    )


class ExtensionCodeRefusedError(TelemetryError):
    """The deployment accepts extension codes of a different form."""

    code = "extension-code-refused"
    sentence = (
        "This code_id does not match the form that the deployment accepts (TELEMETRY_EXTENSION_CODE_PATTERN). Nothing"
        " was recorded."
    )


class ExtensionCodesFullError(TelemetryError):
    """As many extension codes wait for a payload as may wait."""

    code = "too-many-extension-codes"
    sentence = (
        "10,000 extension codes are already waiting, enough for ten payloads. Nothing was recorded; send this code"
        " again after the next transmission."
    )


class NotFoundError(TelemetryError):
    """Nothing has this address or ID."""

    code = "not-found"
    sentence = "Nothing exists at this address or with this ID. It may have been deleted."


class AlreadyDeliveredError(TelemetryError):
    """The transmission was accepted already, so there is nothing to retry."""

    code = "already-delivered"
    sentence = "The License Server has already accepted this transmission."


class ReplicaLacksKeyError(TelemetryError):
    """A running process could not open what would be sealed under the newest key."""

    code = "replica-lacks-key"
    sentence = (
        "A running replica does not have the newest ENCRYPTION_KEY yet, so nothing was changed. Add that key to the"
        " list of every replica, restart them, and try again two minutes after the last old process has ended."
    )


class AttemptUnderWayError(TelemetryError):
    """This transmission is being sent right now."""

    code = "attempt-under-way"
    sentence = "This transmission is being sent right now; check again in a few seconds."


class CursorInvalidError(TelemetryError):
    """The cursor was not made by this service."""

    code = "cursor-invalid"
    sentence = "This cursor is not valid."


class AccessDeniedError(TelemetryError):
    """The caller is not logged in, or the token is not valid."""

    code = "unauthenticated"
    sentence = "Log in, or send a valid service token as a Bearer token."


class TokenExpiredError(AccessDeniedError):
    """The token is genuine, but its time is over."""

    code = "token-expired"
    sentence = "This service token has expired. Create a new one and use it instead."


class ScopeMissingError(TelemetryError):
    """The token is valid but may not do this."""

    code = "forbidden"
    sentence = "This token does not have the scope that this request needs."


class RoleMissingError(ScopeMissingError):
    """A person may look, but not change anything."""

    code = "role-missing"
    sentence = (
        "Your role is viewer: you may look and export, but not change anything. This needs the role administrator,"
        " which your identity provider or your console assigns."
    )


class NoRoleError(ScopeMissingError):
    """A person is who it says, but has no role here."""

    code = "no-role"
    sentence = (
        "Your account has no role here. Ask for one of the roles that the deployment names (TELEMETRY_OIDC_ADMIN_ROLES"
        " or TELEMETRY_IDENTITY_ADMIN_ROLES, and the same with VIEWER_ROLES)."
    )


class IssuerUnavailableError(TelemetryError):
    """An issuer of identities gave no usable response."""

    code = "issuer-unavailable"
    sentence = (
        "The identity provider did not respond in time, or not as expected. Try again; if that does not help, the log"
        " has the cause."
    )

    def __init__(self, cause: str | None = None) -> None:
        """Keep the code of the cause for the log."""
        self.cause = cause
        super().__init__()


class IdentityRefusedError(AccessDeniedError):
    """What an issuer signed, or should have signed, is not accepted."""

    code = "identity-refused"
    sentence = (
        "The signed identity of this request is not accepted: it is malformed, expired, or not for this service. The"
        " log has the reason."
    )

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log: a caller learns nothing more."""
        self.reason = reason
        super().__init__()


class IdentityLastsTooLongError(IdentityRefusedError):
    """What the gateway signed is right, but counts for so long that a copy of it would be of use."""

    code = "identity-lasts-too-long"
    sentence = (
        "The signed identity of this request is valid for longer than TELEMETRY_IDENTITY_LIFETIME_MINUTES allows. Let"
        " the console's gateway issue tokens that expire sooner, or raise the limit."
    )

    def __init__(self) -> None:
        """Keep the reason for the log."""
        super().__init__("lifetime")


class RecentLoginRequiredError(TelemetryError):
    """Showing a secret or creating one requires a login within the last few minutes."""

    code = "recent-login-required"
    sentence = "This requires a recent login. Log in again, or confirm in the settings tab that it is you."


class LocalLoginClosedError(AccessDeniedError):
    """The deployment has closed the login with a password."""

    code = "local-login-closed"
    sentence = (
        "Logging in with a password is closed (TELEMETRY_LOCAL_LOGIN=false). It opens for an hour after"
        " telemetry-service admin set-password."
    )


class LoginFailedError(TelemetryError):
    """Name or password is wrong. It never says which."""

    code = "login-failed"
    sentence = "Incorrect name or password."


class LoginThrottledError(TelemetryError):
    """Too many wrong passwords in a row."""

    code = "login-throttled"
    sentence = "Too many incorrect passwords. Wait a minute and try again."


class RevealThrottledError(TelemetryError):
    """Service tokens were shown the API key too often."""

    code = "reveal-throttled"
    sentence = "Service tokens were shown the API key too often. Wait an hour and try again."


class RequestForgeryError(TelemetryError):
    """A form came without its proof of origin."""

    code = "request-forgery"
    sentence = "This request may have come from another site; the response names the check that failed."
