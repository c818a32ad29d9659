"""A temporary certificate authority, and the certificate that it issues to a License Server.

For demos and tests: only its creator should trust it. The certificates have every extension that a strict verification
(``X509_V_FLAG_X509_STRICT``) requires.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_CLOCK_MARGIN = timedelta(hours=1)
_RENEWED_BEFORE_ITS_END = timedelta(days=7)
_PRIVATE = 0o600
_PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class IssuedFiles:
    """PEM files: the authority to trust, and the server's certificate chain and private key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue_once(directory: Path, now: datetime) -> IssuedFiles:
    """Return what was issued in ``directory`` earlier, so that a restart changes no trust, or issue it.

    What is invalid, or will be within a week, is replaced.
    """
    files = _files_in(directory)
    return files if _is_usable(files, now) else issue(directory, now)


def issue(
    directory: Path,
    now: datetime,
    names: Sequence[str] = LOCAL_NAMES,
    lifetime: timedelta = timedelta(days=30),
) -> IssuedFiles:
    """Create an authority and a server certificate for ``names`` (host names or addresses) in ``directory``.

    Existing files are replaced. The authority's private key is not written anywhere.
    """
    authority = _make_authority(now, lifetime)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue_certificate(authority, key, names, now, lifetime)
    files = _files_in(directory)
    _write(files.ca_file, authority.certificate.public_bytes(Encoding.PEM), _PUBLIC)
    _write(files.certificate_file, certificate.public_bytes(Encoding.PEM), _PUBLIC)
    _write(files.key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), _PRIVATE)
    return files


def _files_in(directory: Path) -> IssuedFiles:
    return IssuedFiles(directory / "authority.pem", directory / "server.pem", directory / "server-key.pem")


def _is_usable(files: IssuedFiles, now: datetime) -> bool:
    """Whether the files belong together and are valid; any that is missing or damaged makes them none."""
    try:
        authority = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
        server = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
        key = load_pem_private_key(files.key_file.read_bytes(), password=None)
        server.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    in_time = server.not_valid_before_utc <= now <= server.not_valid_after_utc - _RENEWED_BEFORE_ITS_END
    return in_time and key.public_key() == server.public_key()


def _make_authority(now: datetime, lifetime: timedelta) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Temporary authority of a reference License Server")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, SHA256())
    )
    return _Authority(certificate, key)


def _issue_certificate(
    authority: _Authority, key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime, lifetime: timedelta
) -> x509.Certificate:
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(_name("Reference License Server"), authority.certificate.subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority.key, SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _CLOCK_MARGIN)
        .not_valid_after(now.astimezone(UTC) + lifetime)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
