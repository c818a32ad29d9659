"""TLS as the protocol requires it: 1.2 or newer, with the certificate always verified."""

import ssl
from pathlib import Path

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import SettingsError

# OpenSSL's X509_V_ERR_… codes (openssl/x509_vfy.h), which are stable and, unlike its texts, meant for programs.
_NOT_YET_VALID = 9
_HAS_EXPIRED = 10
_HOSTNAME_MISMATCH = 62
_IP_ADDRESS_MISMATCH = 64

_CAUSE_OF_CODE = {
    _NOT_YET_VALID: Cause.CERTIFICATE_EXPIRED,
    _HAS_EXPIRED: Cause.CERTIFICATE_EXPIRED,
    _HOSTNAME_MISMATCH: Cause.CERTIFICATE_WRONG_HOST,
    _IP_ADDRESS_MISMATCH: Cause.CERTIFICATE_WRONG_HOST,
}
CERTIFICATE_CAUSES = frozenset({Cause.CERTIFICATE_EXPIRED, Cause.CERTIFICATE_WRONG_HOST, Cause.CERTIFICATE_UNTRUSTED})
_VERSION_REASONS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW"})


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the system's CAs and those in ``ca_file``. Takes 30 ms.

    Not ``ssl.create_default_context``, which writes the session keys to the file named by ``SSLKEYLOGFILE``: anyone who
    sets the environment could decrypt the traffic.

    Raises:
        SettingsError: ``ca_file`` cannot be read as PEM certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9525: names come from the extension; a common name is only for people.
    context.hostname_checks_common_name = False
    # The deployment may name a root, the issuing CA, or the certificate itself; each is trusted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    if ca_file is not None and not _loaded(context, ca_file):
        raise SettingsError(("TELEMETRY_LICENSE_SERVER_CA_FILE cannot be read as PEM certificates.",))
    return context


def _loaded(context: ssl.SSLContext, ca_file: Path) -> bool:
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ValueError):  # An ssl.SSLError is an OSError.
        return False
    return True


def certified_name(host: str | None) -> str | None:
    """Return a host as in certificates: without brackets, and without a final dot, which is only for the resolver."""
    return host and host.removesuffix(".").strip("[]")


def cause_of(error: BaseException | None) -> Cause:
    """Return why a handshake failed; an error that is not from TLS comes from the connection below it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CAUSE_OF_CODE.get(error.verify_code, Cause.CERTIFICATE_UNTRUSTED)
    if not isinstance(error, ssl.SSLError):
        return Cause.CONNECTION_LOST
    return Cause.TLS_VERSION if error.reason in _VERSION_REASONS else Cause.TLS_FAILED
