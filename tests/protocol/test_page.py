"""``docs/protocol.md`` says what the code does, in both directions."""

import re
from uuid import UUID

from telemetry_service.conformance.problems import CODES
from telemetry_service.conformance.run import CHECKS
from telemetry_service.domain.outcome import Held, Note, Rejected, Retrying, outcome_of_status
from telemetry_service.domain.payload import LicenseStatus, Tier
from telemetry_service.domain.receipt import ReceiptClaims, ReceiptHeader, RefusalClaims
from telemetry_service.license_server.client import PING_PATH, TRANSMISSION_PATH
from telemetry_service.license_server.endpoint import ExchangeLimits
from telemetry_service.reference.refusals import Reason, status_of
from telemetry_service.sealing.sealer import seal
from tests.protocol.files import PAGE

TEXT = PAGE.read_text()
KINDS = {"retrying": Retrying, "held": Held, "rejected": Rejected}


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one."""
    return re.split(r"^#+ ", TEXT.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """Return the names in the first column of the tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_every_status_has_the_outcome_that_the_table_says() -> None:
    table = section("What the service does with a status")
    rows = re.findall(r"^\| (.*?) \| (retrying|held|rejected)[^|]*\|", table, re.MULTILINE)
    listed = {int(status): kind for cell, kind in rows for status in re.findall(r"`([45]\d\d)`", cell)}
    assert len(listed) >= 15
    for status in [*range(300, 600), 600, 999]:
        family = "retrying" if status >= 500 else "rejected"
        assert isinstance(outcome_of_status(status), KINDS[listed.get(status, family)]), status


def test_every_header_and_path_is_listed_and_no_other() -> None:
    sent = seal(b"{}", UUID(int=7), 7, "known-answer-API-key!", encrypt=False, ledger="0" * 64).message.headers()
    paths = {f"POST {{base}}{path}" for path in (TRANSMISSION_PATH, PING_PATH)}
    assert set(first_cells(section("Requests"))) == paths | set(sent) - {"Content-Type"} | {"User-Agent"}


def test_receipts_have_the_members_that_the_tables_list() -> None:
    cells = first_cells(section("Receipts"))
    assert sorted(cells) == sorted([*ReceiptHeader.model_fields, *ReceiptClaims.model_fields])
    for name in RefusalClaims.model_fields:
        assert f"`{name}`" in section("Bundles")
    for note in (Note.RECEIPT_DROPPED, Note.RECEIPT_HEADER_NOT_ALLOWED, Note.RECEIPT_CLAIM_NOT_ALLOWED):
        assert f"`{note}`" in section("Receipts")


def test_tiers_and_statuses_are_listed() -> None:
    block = section("The license block")
    for value in (*Tier, *LicenseStatus):
        assert f"`{value}`" in block


def test_the_limits_are_those_of_the_client() -> None:
    limits = ExchangeLimits()
    assert f"has {limits.deadline.seconds} seconds" in TEXT
    assert f"may have {limits.response_bytes // 1024} KiB" in TEXT


def test_the_codes_that_conformance_knows_are_those_of_the_table() -> None:
    table = dict(re.findall(r"^\| \d+ \| `([a-z-]+)` \| (.*)", section("Problems"), re.MULTILINE))
    assert set(table) == set(CODES) | {"key-revoked"}, "the latter is the code of a refusal only"
    assert {code: status_of(Reason(code)) for code in CODES} == CODES


def test_every_check_has_its_own_name_and_its_sentence_on_the_page() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert f"| `{check.name}` | {check.sentence} |\n" in TEXT
