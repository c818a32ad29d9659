"""The doctor says whether what goes to the database can be read on the way, and asks the connection itself."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry_service.cli.doctor.database import encryption_of
from telemetry_service.cli.doctor.finding import Result
from telemetry_service.domain.clock import SystemClock
from telemetry_service.reference.authority import issue
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.storage.link import Link
from tests.cli.conftest import CommandLine
from tests.support.postgres import PostgresServer


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A server that speaks TLS on the loopback, as ``localhost``."""

    port: int
    authority: Path

    def url(self, sslmode: str) -> str:
        return f"postgresql://telemetry@localhost:{self.port}/postgres?sslmode={sslmode}&sslrootcert={self.authority}"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    issued = issue(tmp_path_factory.mktemp("certificates"), SystemClock().now())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"listen_addresses": "127.0.0.1", "port": port, "ssl": "on"}
    server = PostgresServer.make(
        durable=False, options=tuple(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
    )
    try:
        for source, name in ((issued.certificate_file, "server.crt"), (issued.key_file, "server.key")):
            target = server.folder / "cluster" / name
            shutil.copy(source, target)
            target.chmod(0o600)
            owner = (server.folder / "cluster").stat()
            os.chown(target, owner.st_uid, owner.st_gid)
        server.start()
        yield Encrypted(port, issued.ca_file)
    finally:
        server.remove()


def finding(cli: CommandLine, url: str) -> tuple[str, str]:
    cli.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key(), TELEMETRY_DATABASE_URL=url)
    (found,) = [found for found in cli("doctor", "--offline", "--json").json() if found["check"] == "encryption"]
    return found["result"], found["sentence"]


@pytest.mark.parametrize(
    ("sslmode", "sentence"),
    [
        ("verify-full", "The database connection is encrypted, and the server is verified."),
        ("require", "The database connection is encrypted and stays on this machine."),
        ("disable", "The database connection is not encrypted and stays on this machine."),
    ],
)
def test_a_connection_over_tls_is_distinguished_from_one_without(
    bare: CommandLine, encrypted: Encrypted, sslmode: str, sentence: str
) -> None:
    assert finding(bare, encrypted.url(sslmode)) == ("ok", sentence)


def test_a_server_without_tls_on_this_machine_is_fine(bare: CommandLine, postgresql_url: str) -> None:
    result, sentence = finding(bare, postgresql_url)
    assert result == "ok"
    assert sentence.endswith("stays on this machine.")


def test_a_file_needs_no_encryption_on_the_way(bare: CommandLine, sqlite_url: str) -> None:
    assert finding(bare, sqlite_url)[0] == "skipped"


@pytest.mark.parametrize(("encrypted", "missing"), [(False, "is not encrypted"), (True, "does not verify the server")])
def test_what_leaves_this_machine_unprotected_is_warned_of(*, encrypted: bool, missing: str) -> None:
    found = encryption_of(Link(encrypted=encrypted, verified=False, leaves_this_machine=True))
    assert found.result is Result.WARNING
    assert missing in found.sentence
    assert "sslmode=verify-full" in found.sentence


def test_a_verified_connection_to_another_machine_is_fine() -> None:
    assert encryption_of(Link(encrypted=True, verified=True, leaves_this_machine=True)).result is Result.OK
