"""The throw-away authority passes a strict verification, and its server speaks no old TLS."""

import socket
import ssl
import stat
import warnings
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from telemetry_service.domain.clock import SystemClock
from telemetry_service.reference.authority import IssuedFiles, issue, issue_once
from tests.reference.sender import Line


def strict(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def shake_hands(line: Line, context: ssl.SSLContext, name: str = "127.0.0.1") -> str | None:
    """Return the version of TLS that was agreed."""
    address = urlsplit(line.server.url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        return secured.version()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_certificate_passes_a_strict_verification(line: Line, name: str) -> None:
    assert shake_hands(line, strict(line.server.ca_file), name) == "TLSv1.3"


def test_tls_1_2_is_spoken(line: Line) -> None:
    context = strict(line.server.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(line, context) == "TLSv1.2"


def test_tls_1_1_is_not_spoken(line: Line) -> None:
    context = strict(line.server.ca_file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    # The server hangs up, with or without an alert; "no protocols available" would be the client's own refusal.
    with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version|EOF occurred"):
        shake_hands(line, context)


def test_another_name_is_not_the_servers(line: Line) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(line, strict(line.server.ca_file), "license.example.com")


def test_another_authority_did_not_issue_it(line: Line, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(line, strict(issue(tmp_path, SystemClock().now()).ca_file))


def test_the_authority_is_one_and_the_server_is_none(tmp_path: Path) -> None:
    files = issue(tmp_path, SystemClock().now(), ["license.example.com", "192.0.2.1"], timedelta(days=1))
    authority = x509.load_pem_x509_certificate(files.ca_file.read_bytes())
    server = x509.load_pem_x509_certificate(files.certificate_file.read_bytes())
    server.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["license.example.com"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert stat.S_IMODE(files.key_file.stat().st_mode) == 0o600


def test_the_authoritys_private_key_is_written_nowhere(tmp_path: Path) -> None:
    issue(tmp_path, SystemClock().now())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["authority.pem", "server-key.pem", "server.pem"]
    assert b"PRIVATE" not in (tmp_path / "authority.pem").read_bytes()


def test_what_was_issued_is_kept_until_a_week_before_its_end_or_until_it_is_damaged(tmp_path: Path) -> None:
    now, day = SystemClock().now(), timedelta(days=1)

    def content(files: IssuedFiles) -> list[bytes]:
        return [path.read_bytes() for path in (files.ca_file, files.certificate_file, files.key_file)]

    first = content(issue_once(tmp_path, now))
    assert content(issue_once(tmp_path, now + 22 * day)) == first
    for later in (now + 24 * day, now - day):  # The clock may have been set back.
        renewed = content(issue_once(tmp_path, later))
        assert not set(renewed) & set(first)
        first = renewed
    (other := tmp_path / "other").mkdir()
    for number, name in enumerate(("authority.pem", "server.pem", "server-key.pem")):
        for damage in (b"", b"-----BEGIN", content(issue_once(other, now))[number]):
            known = content(issue_once(tmp_path, now))
            (tmp_path / name).write_bytes(damage)
            assert not set(content(issue_once(tmp_path, now))) & set(known), (name, damage)
