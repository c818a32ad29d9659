"""The HTTP status of each of our errors. Only this module maps errors to status codes."""

from http import HTTPStatus

from telemetry_service.domain import errors
from telemetry_service.domain.errors import TelemetryError
from telemetry_service.identity.password_rules import PasswordRefusedError
from telemetry_service.identity.tokens import TokenNameTakenError, TokenRefusedError
from telemetry_service.web.errors import request_errors as requests

STATUS: dict[type[TelemetryError], HTTPStatus] = {
    errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.RowUnreadableError: HTTPStatus.CONFLICT,
    errors.SchemaTooNewError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KeyUnusableError: HTTPStatus.CONFLICT,
    errors.NotConfiguredError: HTTPStatus.CONFLICT,
    errors.TelemetryDisabledError: HTTPStatus.CONFLICT,
    errors.RestoredError: HTTPStatus.CONFLICT,
    errors.NotRestoredError: HTTPStatus.CONFLICT,
    errors.SettingsChangedError: HTTPStatus.CONFLICT,
    errors.NotVerifiedYetError: HTTPStatus.CONFLICT,
    errors.BundlesOnlyError: HTTPStatus.CONFLICT,
    errors.NoBundlesError: HTTPStatus.CONFLICT,
    errors.NothingToExportError: HTTPStatus.CONFLICT,
    errors.ReceiptKeyMissingError: HTTPStatus.CONFLICT,
    errors.ReceiptsMalformedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SettingLockedError: HTTPStatus.CONFLICT,
    errors.StaleConfigurationError: HTTPStatus.PRECONDITION_FAILED,
    errors.ConfirmationRequiredError: HTTPStatus.CONFLICT,
    errors.PreviewStaleError: HTTPStatus.PRECONDITION_FAILED,
    errors.StaleLicenseError: HTTPStatus.PRECONDITION_FAILED,
    errors.StaleBouncersError: HTTPStatus.PRECONDITION_FAILED,
    errors.PreconditionRequiredError: HTTPStatus.PRECONDITION_REQUIRED,
    errors.CustomerContradictionError: HTTPStatus.CONFLICT,
    errors.ExtensionCodeConflictError: HTTPStatus.CONFLICT,
    errors.PayloadChangedError: HTTPStatus.CONFLICT,
    errors.PayloadContradictionError: HTTPStatus.CONFLICT,
    errors.PayloadSchemaUnknownError: HTTPStatus.CONFLICT,
    errors.UsageRefusedError: HTTPStatus.CONFLICT,
    errors.PeriodFullError: HTTPStatus.CONFLICT,
    errors.TooManyBouncersError: HTTPStatus.CONFLICT,
    errors.BouncerOfSourceError: HTTPStatus.CONFLICT,
    errors.RegistryFullError: HTTPStatus.CONFLICT,
    errors.ExtensionCodeRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ExtensionCodesFullError: HTTPStatus.CONFLICT,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.AlreadyDeliveredError: HTTPStatus.CONFLICT,
    errors.NotAwaitingReleaseError: HTTPStatus.CONFLICT,
    errors.AwaitingReleaseError: HTTPStatus.CONFLICT,
    errors.WithdrawnError: HTTPStatus.CONFLICT,
    errors.MayHaveArrivedError: HTTPStatus.CONFLICT,
    errors.ReceiptNotMissingError: HTTPStatus.CONFLICT,
    errors.ReasonRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AttemptUnderWayError: HTTPStatus.CONFLICT,
    errors.IdempotencyKeyInUseError: HTTPStatus.CONFLICT,
    errors.ReplicaLacksKeyError: HTTPStatus.CONFLICT,
    errors.CursorInvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AccessDeniedError: HTTPStatus.UNAUTHORIZED,
    errors.ScopeMissingError: HTTPStatus.FORBIDDEN,
    errors.IssuerUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.RecentLoginRequiredError: HTTPStatus.FORBIDDEN,
    errors.LoginFailedError: HTTPStatus.UNAUTHORIZED,
    errors.LoginThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RevealThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestForgeryError: HTTPStatus.FORBIDDEN,
    PasswordRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TokenRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TokenNameTakenError: HTTPStatus.CONFLICT,
    requests.InputRefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    requests.PreconditionUnreadError: HTTPStatus.PRECONDITION_FAILED,
    requests.RequestMalformedError: HTTPStatus.BAD_REQUEST,
    requests.RequestTooSlowError: HTTPStatus.REQUEST_TIMEOUT,
    requests.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    requests.HostRefusedError: HTTPStatus.MISDIRECTED_REQUEST,
    requests.ExchangesBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    requests.ChecksBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    requests.IssuersBusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    requests.LoginsBusyError: HTTPStatus.TOO_MANY_REQUESTS,
    requests.MethodRefusedError: HTTPStatus.METHOD_NOT_ALLOWED,
    requests.BodyMalformedError: HTTPStatus.BAD_REQUEST,
    requests.BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    requests.MediaTypeRefusedError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""A subclass that is not listed has the status of its parent. An error without a status is a bug: 500."""


_AFTER_A_WHILE = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
_ENDS_ALONE = (errors.AttemptUnderWayError, errors.IdempotencyKeyInUseError, errors.UsageRefusedError)
"""Conflicts that end without anyone's doing: an attempt, or the period."""


def is_retryable(kind: type[TelemetryError]) -> bool:
    """Whether the same request may be accepted later, although no one changes it."""
    return status_of(kind) in _AFTER_A_WHILE or issubclass(kind, _ENDS_ALONE)


def status_of(kind: type[TelemetryError]) -> HTTPStatus:
    """Return the HTTP status of a kind of error."""
    found = (STATUS[parent] for parent in kind.__mro__ if parent in STATUS)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
