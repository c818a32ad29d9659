"""Reference License Servers of their own process: one for most tests, some for those who ill-treat it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.reference.background import ReferenceProcess, temporary_options
from telemetry_service.reference.faults import Faults
from telemetry_service.reference.options import Grant, LicenseBlock, ReferenceOptions
from tests.reference.sender import API_KEY, CUSTOMER, Line, connect


def options_in(directory: Path, *, require_encryption: bool = False) -> ReferenceOptions:
    grant = Grant(api_key=API_KEY, customer_id=CUSTOMER)
    return temporary_options(
        directory,
        SystemClock().now(),
        [grant],
        require_encryption=require_encryption,
        licenses={
            CUSTOMER: LicenseBlock(
                tier=Tier.TRIAL, license_status=LicenseStatus.TRIAL, expires_at="2027-01-31T00:00:00.000Z"
            )
        },
    )


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A License Server that works as it should, shared by many tests."""
    options = options_in(tmp_path_factory.mktemp("license-server"))
    with ReferenceProcess(options) as server, connect(server.ca_file) as client:
        yield Line(server, client)


@pytest.fixture
def faulty(line: Line) -> Iterator[Line]:
    """The same one, for a test that switches faults on: they are off again at the end."""
    yield line
    line.server.set_faults(Faults())


@pytest.fixture(scope="session")
def encrypted_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A License Server that requires encryption."""
    options = options_in(tmp_path_factory.mktemp("encrypted-only"), require_encryption=True)
    with ReferenceProcess(options) as server, connect(server.ca_file) as client:
        yield Line(server, client)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Line]:
    """A License Server of the test's own, to kill and start again."""
    with ReferenceProcess(options_in(tmp_path)) as server, connect(server.ca_file) as client:
        yield Line(server, client)
