"""``telemetry-service conformance`` says what is wrong in words and in JSON, and changes nothing here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry_service.cli.commands.conformance import is_base_url
from telemetry_service.reference.background import ReferenceProcess
from telemetry_service.reference.faults import Alteration, Faults
from tests.cli.conftest import CommandLine, Ended
from tests.protocol.test_conformance import FORMER_KEY, OTHER_CUSTOMER, OTHER_KEY
from tests.reference.conftest import options_in
from tests.reference.sender import API_KEY, CUSTOMER
from tests.support.each import each


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProcess]:
    with ReferenceProcess(options_in(tmp_path_factory.mktemp("conformance"))) as running:
        yield running


def conformance(bare: CommandLine, server: ReferenceProcess, *more: str, api_key: str = API_KEY) -> Ended:
    usual = ("--ca-file", str(server.ca_file), "--api-key-file", "-", "--customer-id", CUSTOMER)
    return bare("conformance", server.url, *usual, *more, stdin=f"{api_key}\n")


def test_what_conforms_ends_with_0_and_leaves_nothing_behind(
    bare: CommandLine, server: ReferenceProcess, tmp_path: Path
) -> None:
    ended = conformance(bare, server, "--check", "encrypted", "--check", "ping", "--public-key", server.public_key)
    assert ended.code == 0, ended
    assert "conforms    encrypted" in ended.out
    assert "Checks that conform: 2. That violate the protocol: 0. Not checked: 0." in ended.out
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_is_named_with_the_sentence_of_the_protocol(bare: CommandLine, server: ReferenceProcess) -> None:
    server.set_faults(Faults(altered={"accepted": Alteration(members={"received_at": "yesterday"})}))
    ended = conformance(bare, server, "--check", "response-time")
    as_json = conformance(bare, server, "--check", "response-time", "--json")
    server.set_faults(Faults())
    assert (ended.code, as_json.code) == (7, 7)
    assert "violates    response-time" in ended.out
    assert "`received_at` in an acceptance is RFC 3339 with a zone." in ended.out
    assert "-> received_at cannot be read: 'yesterday'" in ended.out
    document = as_json.json()
    assert (document["conforms"], document["requests"]) == (False, 1)
    [check] = document["checks"]
    assert (check["check"], check["verdict"]) == ("response-time", "violates")


def test_what_is_optional_is_checked_once_its_options_are_given(
    bare: CommandLine, server: ReferenceProcess, tmp_path: Path
) -> None:
    names = ("pseudonym-former", "ids-apart", "bundle-age")
    only = [word for name in names for word in ("--check", name)]
    assert "Not checked: 3." in conformance(bare, server, *only).out
    keys = {"former": (FORMER_KEY, CUSTOMER), "other": (OTHER_KEY, OTHER_CUSTOMER)}
    for which, (api_key, customer_id) in keys.items():
        server.add_key(api_key, customer_id)
        (tmp_path / which).write_text(api_key)
    optional = ("--former-api-key-file", "former", "--other-api-key-file", "other")
    more = ("--other-customer-id", OTHER_CUSTOMER, "--bundle-path", "/v1/telemetry/bundles")
    ended = conformance(bare, server, *only, *optional, *more)
    assert ended.code == 0, ended
    assert "Checks that conform: 3." in ended.out


def test_a_license_server_that_cannot_be_reached_ends_with_5(bare: CommandLine, server: ReferenceProcess) -> None:
    usual = ("--api-key-file", "-", "--customer-id", CUSTOMER, "--check", "ping")
    untrusted = bare("conformance", server.url, *usual, stdin=API_KEY)
    assert untrusted.code == 5
    assert "certificate_untrusted" in untrusted.out
    assert API_KEY not in untrusted.out


@each(
    ("arguments", "problem"),
    [
        (("http://127.0.0.1",), "must be https://"),
        (("https://127.0.0.1", "--check", "nothing"), "there is no check nothing"),
        (("https://127.0.0.1", "--customer-id", "somebody"), "must be cus_"),
        (("https://127.0.0.1", "--ca-file", "missing.pem"), "cannot be read as PEM"),
        (("https://127.0.0.1", "--api-key-file", "missing"), "cannot be read"),
        (("https://127.0.0.1", "--public-key", "no-key"), "not an Ed25519 public key"),
        (("https://127.0.0.1", "--former-api-key-file", "missing"), "cannot be read"),
        (("https://127.0.0.1", "--other-customer-id", "x", "--other-api-key-file", "missing"), "must be cus_"),
        (("https://127.0.0.1", "--bundle-path", "bundles"), "must begin with a slash"),
    ],
)
def test_wrong_usage_is_named(bare: CommandLine, arguments: tuple[str, ...], problem: str) -> None:
    ended = bare("conformance", "--api-key-file", "-", "--customer-id", CUSTOMER, *arguments, stdin=API_KEY)
    assert ended.code == 2, ended
    assert problem in " ".join(ended.err.replace("│", " ").split()), ended.err


def test_a_placeholder_is_no_api_key(bare: CommandLine, server: ReferenceProcess) -> None:
    assert conformance(bare, server, api_key="short").code == 2


@each(
    ("url", "right"),
    [
        ("https://license.example", True),
        ("https://license.example:8443/telemetry", True),
        ("https://[::1]:8443", True),
        ("https://user@license.example", False),
        ("https://license.example?a=1", False),
        ("https://license.example#a", False),
        ("https://license.example:port", False),
        ("https://", False),
        ("https://license example", False),
        ("license.example", False),
    ],
)
def test_a_base_url_is_an_address_and_nothing_else(url: str, *, right: bool) -> None:
    assert is_base_url(url) is right
