"""Whom the deployment trusts: any certificate of the chain that it names, and what the file holds at this moment."""

import logging
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.message import SealedMessage
from telemetry_service.domain.outcome import Accepted, Held
from telemetry_service.license_server.authorities import Authorities
from telemetry_service.license_server.client import LicenseServerClient
from telemetry_service.license_server.endpoint import Endpoint
from telemetry_service.log.events import Event
from tests.license_server.conftest import NOW
from tests.support import faults
from tests.support.fault_server import FaultServer
from tests.support.log_lines import lines_of

ACCEPTED = Accepted(200, duplicate=False)
UNTRUSTED = Held(Cause.CERTIFICATE_UNTRUSTED)


def serve_with(server: FaultServer, leaf: trustme.LeafCert) -> None:
    leaf.configure_cert(server.certificates.good)
    server.mode = faults.accept


@pytest.mark.parametrize("trusted", ["root", "issuing", "leaf"])
def test_a_file_with_any_certificate_of_the_chain_is_enough(
    server: FaultServer, endpoint: Endpoint, message: SealedMessage, tmp_path: Path, trusted: str
) -> None:
    root = trustme.CA()
    issuing = root.create_child_ca()
    leaf = issuing.issue_cert("127.0.0.1")
    pem = {"root": root.cert_pem, "issuing": issuing.cert_pem, "leaf": leaf.cert_chain_pems[0]}[trusted]
    pem.write_to_path(str(tmp_path / "ca.pem"))
    client = LicenseServerClient(replace(endpoint, ca_file=tmp_path / "ca.pem"))
    serve_with(server, leaf)
    assert client.transmit(message, (), NOW) == ACCEPTED
    # It must be that very one, and it must be for this host.
    serve_with(server, root.create_child_ca().issue_cert("127.0.0.1"))
    assert client.transmit(message, (), NOW) == (ACCEPTED if trusted == "root" else UNTRUSTED)
    serve_with(server, issuing.issue_cert("somewhere-else.example"))
    assert client.transmit(message, (), NOW) != ACCEPTED


def write_in_place(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def rename_over(file: Path, content: bytes) -> None:
    beside = file.with_name("new.pem")
    beside.write_bytes(content)
    beside.rename(file)


def swap_the_folder(file: Path, content: bytes) -> None:
    """Do as Kubernetes does with a mounted secret: the file is a link through a folder that is swapped."""
    folder = file.with_name(f"data-{os.urandom(4).hex()}")
    folder.mkdir()
    (folder / "ca.pem").write_bytes(content)
    link = file.with_name("link")
    link.symlink_to(folder / "ca.pem")
    link.rename(file)


@pytest.mark.parametrize("replace_file", [write_in_place, rename_over, swap_the_folder])
def test_a_file_that_is_replaced_is_read_again_without_a_restart(
    server: FaultServer,
    endpoint: Endpoint,
    message: SealedMessage,
    tmp_path: Path,
    replace_file: Callable[[Path, bytes], None],
) -> None:
    file = tmp_path / "ca.pem"
    replace_file(file, server.ca_pem_path.read_bytes())
    client = LicenseServerClient(replace(endpoint, ca_file=file))
    server.mode = faults.accept
    before = client.authorities_digest()
    assert client.transmit(message, (), NOW) == ACCEPTED
    server.certificates.renew()
    assert client.transmit(message, (), NOW) == UNTRUSTED
    replace_file(file, server.certificates.authority.cert_pem.bytes())
    assert client.transmit(message, (), NOW) == ACCEPTED
    assert client.check_connection(message).ok
    assert client.authorities_digest() != before


@pytest.mark.parametrize("content", [None, b"", b"half a certificate"])
def test_a_file_that_cannot_be_read_any_more_leaves_the_authorities_as_they_were(
    server: FaultServer,
    endpoint: Endpoint,
    message: SealedMessage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(server.ca_pem_path.read_bytes())
    client = LicenseServerClient(replace(endpoint, ca_file=file))
    server.mode = faults.accept
    before = client.authorities_digest()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert [client.transmit(message, (), NOW) for _ in range(3)] == [ACCEPTED] * 3
    assert client.authorities_digest() == before
    assert lines_of(caplog, Event.AUTHORITIES_UNREADABLE) == [{"level": "warning", "event": "authorities_unreadable"}]
    assert len(caplog.records) == 1
    server.certificates.renew()
    file.write_bytes(server.certificates.authority.cert_pem.bytes())
    assert client.transmit(message, (), NOW) == ACCEPTED


def test_a_file_that_cannot_be_read_at_the_start_is_an_error(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        LicenseServerClient(replace(endpoint, ca_file=tmp_path / "none.pem"))


def test_tls_1_2_at_least_with_the_cipher_suites_and_checks_that_python_recommends() -> None:
    context, usual = Authorities(None).context(), ssl.create_default_context()
    assert [it["name"] for it in context.get_ciphers()] == [it["name"] for it in usual.get_ciphers()]
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    weak = re.compile(r"NULL|EXP|RC4|DES|MD5|ADH|AECDH|PSK|SRP")
    assert [it["name"] for it in context.get_ciphers() if weak.search(it["name"])] == []


def test_the_context_is_made_once_as_long_as_nothing_changes(server: FaultServer) -> None:
    authorities = Authorities(server.ca_pem_path)
    assert authorities.context() is authorities.context()
