"""TLS as the protocol demands it: 1.2 or newer, the certificate always verified."""

import ssl
from pathlib import Path

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import SettingsError

# OpenSSL's X509_V_ERR_… codes (openssl/x509_vfy.h), which are stable and, unlike its texts, made for programs.
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
    """Return a context that trusts the system's authorities and those of ``ca_file``. Costs 30 ms.

    Not ``ssl.create_default_context``: that one writes the session keys to the file named by
    ``SSLKEYLOGFILE``, so that anybody who sets the environment could decrypt the traffic.

    Raises:
        SettingsError: ``ca_file`` cannot be read as PEM certificates.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9525: the names are those of the extension; a common name is a text for people.
    context.hostname_checks_common_name = False
    # What the deployment names is trusted, be it a root, the authority that issued the certificate, or the certificate.
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
    """Return a host as certificates have it: no final dot, which only keeps the resolver to the name, no brackets."""
    return host and host.removesuffix(".").strip("[]")


def cause_of(error: BaseException | None) -> Cause:
    """Return why a handshake failed; what is no error of TLS is one of the connection below it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CAUSE_OF_CODE.get(error.verify_code, Cause.CERTIFICATE_UNTRUSTED)
    if not isinstance(error, ssl.SSLError):
        return Cause.CONNECTION_LOST
    return Cause.TLS_VERSION if error.reason in _VERSION_REASONS else Cause.TLS_FAILED
