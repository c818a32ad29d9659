"""The conformance checks find nothing wrong with the reference License Server, and each finds what is made wrong."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from telemetry_service.conformance import observed
from telemetry_service.conformance.check import Result, Verdict
from telemetry_service.conformance.message import Customer
from telemetry_service.conformance.run import CHECKS, Report, run
from telemetry_service.conformance.session import Session
from telemetry_service.domain.clock import SystemClock
from telemetry_service.license_server.endpoint import Endpoint, ExchangeLimits
from telemetry_service.license_server.probe import Probe
from telemetry_service.reference.background import ReferenceProcess
from telemetry_service.reference.faults import Alteration, AlteredKind, Drop, Faults, ResponseStatus
from telemetry_service.reference.options import Grant
from telemetry_service.reference.refusals import Reason
from telemetry_service.sealing.receipt import ReceiptKeys
from tests.reference.conftest import options_in
from tests.reference.sender import API_KEY, CUSTOMER

FORMER_KEY, OTHER_KEY, OTHER_CUSTOMER = "ck_test_former_Zb8Qm2", "ck_test_other_Yt5Rk9", "cus_Other01"
EARLIER = "2026-01-01T00:00:00Z"
BROKEN = Faults(failure=ResponseStatus(status=500))
CLOCK = timedelta(minutes=10)
"""A mutant whose clock is off."""


def tolerant(reason: Reason) -> Faults:
    """A License Server that does not refuse for one reason."""
    return Faults(tolerated=frozenset({reason}))


def wrong(kind: AlteredKind, **changes: Any) -> Faults:  # noqa: ANN401 - as the type has it
    """A License Server whose responses of one kind differ."""
    return Faults(altered={kind: Alteration(**changes)})


MUTANTS: dict[str, Faults | timedelta] = {
    "ping": wrong("pong", members={"status": "up"}),
    "encrypted": BROKEN,
    "clear": BROKEN,
    "response-id": wrong("accepted", members={"transmission_id": "0193b2f6-7a00-7000-8000-000000000002"}),
    "response-time": wrong("accepted", members={"received_at": "2026-11-15T02:03:18"}),
    "license": wrong("accepted", members={"license": {"tier": "trial"}}),
    "pseudonym": BROKEN,
    "pseudonym-former": BROKEN,
    "nulls": BROKEN,
    "largest": BROKEN,
    "schemas": BROKEN,
    "tolerance": BROKEN,
    "several-signatures": BROKEN,
    "other-headers": BROKEN,
    "ping-no-trace": BROKEN.model_copy(update={"pings": False}),
    "repeat": wrong("duplicate", members={"status": "accepted"}),
    "repeat-sealed-again": wrong("duplicate", members={"status": "accepted"}),
    "repeat-time": wrong("duplicate", members={"received_at": EARLIER}),
    "conflict": wrong("problem", members={"body_sha256": None}),
    "ids-apart": Faults(shared_ids=True),
    "conflict-keeps": wrong("duplicate", status=409),
    **dict.fromkeys(("header-missing", "header-twice", "header-form"), tolerant(Reason.HEADER_MALFORMED)),
    "key-unknown": tolerant(Reason.KEY_UNKNOWN),
    **{
        f"signature-{part}": tolerant(Reason.SIGNATURE_INVALID)
        for part in ("key", "body", "id", "timestamp", "version")
    },
    **dict.fromkeys(("timestamp-old", "timestamp-future"), tolerant(Reason.TIMESTAMP_OUT_OF_TOLERANCE)),
    "body-too-large": tolerant(Reason.BODY_TOO_LARGE),
    "content-type": tolerant(Reason.CONTENT_TYPE_UNSUPPORTED),
    "ping-body": tolerant(Reason.PING_NOT_EMPTY),
    **dict.fromkeys(("json", "json-twice"), tolerant(Reason.JSON_MALFORMED)),
    "json-canonical": tolerant(Reason.JSON_NOT_CANONICAL),
    **{f"schema-{part}": tolerant(Reason.SCHEMA_VIOLATED) for part in ("extra", "missing", "value", "rules")},
    "customer": wrong("problem", members={"type": "urn:control-core:license-server:forbidden"}),
    "refusal-no-trace": wrong("accepted", members={"status": "duplicate"}),
    **{
        f"jwe-{part}": tolerant(Reason.ENCRYPTION_INVALID)
        for part in ("parts", "header", "kid", "key", "tag", "iv", "base64")
    },
    "receipt-form": wrong("accepted", claims={"iss": "license.example"}),
    "receipt-signature": Faults(receipt="forged"),
    "receipt-subject": Faults(receipt="other_payload"),
    "receipt-time": wrong("accepted", claims={"received_at": EARLIER}),
    "receipt-ledger": wrong("accepted", claims={"ledger": "0" * 64}),
    "receipt-license": wrong("accepted", claims={"license": None}),
    "receipt-repeat": wrong("duplicate", members={"receipt": None}),
    "bundle": wrong("bundle", members={"receipts": []}),
    "bundle-age": wrong("bundle", members={"receipts": []}),
    "bundle-repeat": wrong("bundle", members={"receipts": []}),
    "bundle-refusal": wrong("bundle", members={"refused": []}),
    "bundle-signature": Faults(receipt="forged"),
    "bundle-ledger": wrong("bundle", claims={"ledger": "0" * 64}),
    "bundle-form": tolerant(Reason.BUNDLE_MALFORMED),
    "only-200": wrong("accepted", status=201),
    "responds": Faults(failure=Drop()),
    "no-redirect": Faults(failure=ResponseStatus(status=302, location="/elsewhere")),
    "no-compression": wrong("accepted", headers={"Content-Encoding": "gzip"}),
    "date": CLOCK,
    "problem": wrong("problem", headers={"Content-Type": "text/html"}),
    "problem-quotes-nothing": wrong("problem", members={"detail": f"{API_KEY} is not valid"}),
    "retry-after": Faults(failure=ResponseStatus(status=503, retry_after="soon")),
}
MORE_MUTANTS: tuple[tuple[str, Faults], ...] = (
    ("customer", tolerant(Reason.CUSTOMER_MISMATCH)),
    ("receipt-form", wrong("accepted", jws={"jku": "https://license.example"})),
    ("receipt-form", wrong("accepted", members={"receipt": None})),
    ("receipt-form", wrong("accepted", members={"receipt": 7})),
    ("license", wrong("accepted", members={"license": []})),
    ("license", wrong("accepted", members={"license": {"tier": "t", "license_status": "s", "expires_at": "never"}})),
    ("problem", wrong("problem", members={"type": "about:blank"})),
    ("problem", wrong("problem", members={"status": 499})),
    ("problem", wrong("problem", status=418)),
    ("encrypted", wrong("accepted", members={"status": "ok"})),
    ("retry-after", Faults(failure=ResponseStatus(status=429))),
)
"""Other ways to fail."""
OCCASIONS = ("ping", "encrypted", "key-unknown")
OBSERVED = {"only-200", *(check.name for check in observed.CHECKS)}
"""They look at whatever was sent, so something has to be."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProcess]:
    options = options_in(tmp_path_factory.mktemp("conformance"))
    former = Grant(api_key=FORMER_KEY, customer_id=CUSTOMER)
    other = Grant(api_key=OTHER_KEY, customer_id=OTHER_CUSTOMER)
    options = options.model_copy(update={"grants": (*options.grants, former, other)})
    with ReferenceProcess(options) as running:
        running.revoke_key(FORMER_KEY)
        yield running


@cache
def probe_of(url: str, ca_file: Path) -> Probe:
    """Read the authorities once: that takes longer than an exchange."""
    return Probe(Endpoint(url, ca_file), ExchangeLimits())


def checked(server: ReferenceProcess, *only: str, pinned: bool = True) -> Report:
    probe = probe_of(server.url, server.ca_file)
    keys = ReceiptKeys.parse(server.public_key) if pinned else None
    customer, other = Customer(API_KEY, CUSTOMER), Customer(OTHER_KEY, OTHER_CUSTOMER)
    return run(Session(probe, customer, SystemClock(), keys, FORMER_KEY, other, "/v1/telemetry/bundles"), only)


def found(report: Report, check: str) -> Result:
    (result,) = (result for result in report.results if result.check == check)
    return result


def test_the_reference_license_server_conforms(server: ReferenceProcess) -> None:
    report = checked(server)
    assert [result for result in report.results if result.verdict is Verdict.VIOLATES] == []
    assert [result.check for result in report.results if result.verdict is Verdict.NOT_CHECKED] == ["retry-after"]
    assert report.conforms
    assert report.requests == report.responses


def test_without_a_public_key_the_signature_of_a_receipt_is_not_checked_and_that_is_said(
    server: ReferenceProcess,
) -> None:
    result = found(checked(server, "receipt-signature", pinned=False), "receipt-signature")
    assert (result.verdict, result.detail) == (Verdict.NOT_CHECKED, "No public key is given.")


def test_there_is_a_mutant_for_every_check() -> None:
    assert list(MUTANTS) == [check.name for check in CHECKS]


def mutate(server: ReferenceProcess, mutant: Faults | timedelta) -> None:
    if isinstance(mutant, timedelta):
        server.set_clock(mutant)
    else:
        server.set_faults(mutant)


def test_every_check_finds_what_is_made_wrong(server: ReferenceProcess) -> None:
    missed = []
    for check, mutant in (*MUTANTS.items(), *MORE_MUTANTS):
        mutate(server, mutant)
        occasions = OCCASIONS if check in OBSERVED else ()
        result = found(checked(server, check, *occasions), check)
        if isinstance(mutant, timedelta):
            mutate(server, timedelta(0))
        if result.verdict is not Verdict.VIOLATES or not result.detail:
            missed.append((result, mutant))
    mutate(server, Faults())
    assert missed == []
    assert checked(server, *OCCASIONS).conforms


def test_a_license_server_that_wants_encryption_conforms(tmp_path: Path) -> None:
    with ReferenceProcess(options_in(tmp_path, require_encryption=True)) as strict:
        report = checked(strict, "clear", "encrypted", "schema-value")
    assert report.conforms
    assert found(report, "clear").detail == "This License Server requires encryption."


def test_nothing_more_is_sent_to_a_license_server_that_does_not_respond(server: ReferenceProcess) -> None:
    server.set_faults(Faults(failure=Drop()))
    report = checked(server)
    server.set_faults(Faults())
    assert (report.requests, report.responses) == (3, 0)
    assert not report.conforms
    assert found(report, "responds").verdict is Verdict.VIOLATES
    assert found(report, "jwe-iv").detail == "Too many requests got no response."
