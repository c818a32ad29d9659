"""The exit codes of the commands."""

from enum import IntEnum

from telemetry_service.domain.errors import (
    AwaitingReleaseError,
    BundlesOnlyError,
    DatabaseMissingError,
    KeyUnusableError,
    NoBundlesError,
    NotConfiguredError,
    NothingToExportError,
    NotRestoredError,
    NotVerifiedYetError,
    PayloadContradictionError,
    ReceiptKeyMissingError,
    RestoredError,
    RowUnreadableError,
    SchemaBehindError,
    SchemaTooNewError,
    SettingsChangedError,
    SettingsError,
    StorageUnavailableError,
    TelemetryDisabledError,
    TelemetryError,
)
from telemetry_service.domain.source_errors import (
    SourceError,
    SourceMissingError,
    SourceNotBegunError,
    SourceRestoredError,
)


class ExitCode(IntEnum):
    """Stable: scripts rely on it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3
    STORAGE = 4
    NOT_DELIVERED = 5
    """The License Server did not accept, or the connection does not work. Nothing is lost."""
    NOT_READY = 6
    """Telemetry is off, something is not configured, or a payload waits for its release, so nothing was tried."""
    NOT_VERIFIED = 7
    """Something is not as it was signed."""
    NOT_SET_UP = 8
    """There is no database, or it has the schema of an older version. Nothing was created or changed."""
    INTERRUPTED = 130


_CODES: tuple[tuple[type[TelemetryError], ExitCode], ...] = (
    (SettingsError, ExitCode.SETTINGS),
    (StorageUnavailableError, ExitCode.STORAGE),
    (RowUnreadableError, ExitCode.STORAGE),
    (SchemaTooNewError, ExitCode.STORAGE),
    (DatabaseMissingError, ExitCode.NOT_SET_UP),
    (SchemaBehindError, ExitCode.NOT_SET_UP),
    (TelemetryDisabledError, ExitCode.NOT_READY),
    (AwaitingReleaseError, ExitCode.NOT_READY),
    (NotConfiguredError, ExitCode.NOT_READY),
    (KeyUnusableError, ExitCode.NOT_READY),
    (PayloadContradictionError, ExitCode.NOT_READY),
    (RestoredError, ExitCode.NOT_READY),
    (NotRestoredError, ExitCode.NOT_READY),
    (SettingsChangedError, ExitCode.NOT_VERIFIED),
    (NotVerifiedYetError, ExitCode.NOT_VERIFIED),
    (BundlesOnlyError, ExitCode.NOT_READY),
    (NoBundlesError, ExitCode.NOT_READY),
    (NothingToExportError, ExitCode.NOT_READY),
    (ReceiptKeyMissingError, ExitCode.NOT_READY),
    (SourceRestoredError, ExitCode.NOT_READY),
    (SourceError, ExitCode.STORAGE),
    (SourceMissingError, ExitCode.NOT_READY),
    (SourceNotBegunError, ExitCode.NOT_READY),
)


def exit_code_of(error: TelemetryError) -> ExitCode:
    """Return the exit code of one of our errors."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
