"""``bundle export`` and ``bundle import``, with the reference License Server's own command at the other end."""

import json
import stat
from pathlib import Path
from uuid import UUID

import pytest

from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.reference.intake import MAX_BUNDLE_BYTES
from telemetry_service.reference.receipts import load_signer
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN
from tests.support.each import each

CUSTOMER = "cus_Reference01"


@pytest.fixture
def carried(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A command line of an air-gapped service; the License Server's folder is ``vendor``."""
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    signer = load_signer(vendor / "receipt-key.pem")
    (vendor / "api-key").write_text("ck_test_6Jd0fLq2vBn8SxTz4WmY\n")
    cli.set(
        TELEMETRY_DELIVERY="bundle",
        TELEMETRY_LICENSE_SERVER_PUBLIC_KEY=signer.public_key,
        TELEMETRY_CUSTOMER_ID=CUSTOMER,
    )
    service = cli.service()
    set_api_key(service.runtime, "ck_test_6Jd0fLq2vBn8SxTz4WmY", ADMIN)
    service.runtime.database.close()
    return cli


def take(cli: CommandLine, bundle: str, receipts: str = "receipts.json") -> tuple[int, str]:
    ended = cli("license-server", "--folder", "vendor", "--bundle", bundle, "--receipts", receipts)
    return ended.code, ended.out + ended.err


def test_a_payload_goes_there_and_its_receipt_comes_back(carried: CommandLine, tmp_path: Path) -> None:
    prepared = carried("send-now", "--json")
    assert (prepared.code, prepared.json()["state"]) == (6, "pending")
    exported = carried("bundle", "export", "out.json")
    assert exported.code == 0, exported
    assert (tmp_path / "out.json.txt").read_text() == exported.out
    assert prepared.json()["transmission_id"] in exported.out
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600
    assert take(carried, "out.json") == (
        0,
        "Accepted: 1. Duplicates: 0. Refused: 0. Written to receipts.json\n",
    )
    imported = carried("bundle", "import", "receipts.json")
    assert imported.code == 0
    assert imported.out.splitlines()[-1] == "Accepted: 1. Refused: 0. Known already: 0. Ignored: 0."
    again = carried("bundle", "import", "receipts.json", "--json").json()
    assert (again["known"], again["tokens"][0]["result"]) == (1, "known")
    (row,) = carried("history", "--json").json()["transmissions"]
    assert (row["state"], row["receipt_verified"]) == ("success", True)


def test_nothing_to_export_leaves_no_file(carried: CommandLine, tmp_path: Path) -> None:
    ended = carried("bundle", "export", "out.json")
    assert (ended.code, "(nothing-to-export)" in ended.err) == (6, True)
    assert list(tmp_path.glob("out.json*")) == []


def test_a_file_is_never_overwritten_and_nothing_is_exported_then(carried: CommandLine, tmp_path: Path) -> None:
    carried("send-now")
    (tmp_path / "out.json").write_text("kept")
    ended = carried("bundle", "export", "out.json")
    assert (ended.code, "(file-refused)" in ended.err) == (1, True)
    assert (tmp_path / "out.json").read_text() == "kept"
    assert carried("history", "--json").json()["transmissions"][0]["attempts_made"] == 0


def test_the_connection_test_says_that_payloads_leave_in_bundles(carried: CommandLine) -> None:
    ended = carried("test-connection")
    assert (ended.code, "(bundles-only)" in ended.err) == (6, True)
    assert "Skipped. Nothing contacts the License Server" in carried("doctor").out


def test_online_there_is_nothing_to_export(carried: CommandLine) -> None:
    carried.set(TELEMETRY_DELIVERY="online")
    ended = carried("bundle", "export", "out.json")
    assert (ended.code, "(no-bundles)" in ended.err) == (6, True)


HOSTILE = {
    "empty": b"",
    "no JSON": b"\x00\xff receipts",
    "a list": b"[]",
    "another member": b'{"receipts": [], "more": 1}',
    "a duplicate member": b'{"receipts": [], "receipts": []}',
    "wrong types": b'{"receipts": [7], "refused": {}}',
    "deep": b'{"receipts":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a long receipt": json.dumps({"receipts": ["a" * 5000]}).encode(),
    "huge": b'{"receipts": ["' + b"a" * 600_000 + b'"]}',
    "not finite": b'{"receipts": [NaN]}',
}


@each("hostile", HOSTILE)
def test_a_file_that_holds_no_receipts_is_refused_in_a_sentence(
    carried: CommandLine, tmp_path: Path, hostile: str
) -> None:
    (tmp_path / "receipts.json").write_bytes(HOSTILE[hostile])
    ended = carried("bundle", "import", "receipts.json")
    assert ended.code == 1
    assert "This is not a file of receipts" in ended.err
    assert "(receipts-malformed)" in ended.err


def test_a_missing_file_is_said_to_be_unreadable(carried: CommandLine) -> None:
    ended = carried("bundle", "import", "nowhere.json")
    assert (ended.code, ended.err) == (1, "nowhere.json cannot be read. (file-unreadable)\n")


def _bundle(**changes: object) -> bytes:
    member = {
        "id": str(UUID(int=7)),
        "timestamp": 1,
        "key_id": "0" * 16,
        "signature": "v1,AAAA",
        "content_type": "application/json",
        "body_b64": "e30=",
    }
    whole: dict[str, object] = {
        "format": "control-core-telemetry-bundle/1",
        "transmissions": [member],
        "ledger_head": "0" * 64,
    }
    return json.dumps(whole | changes).encode()


def _with(**changes: object) -> bytes:
    whole = json.loads(_bundle())
    whole["transmissions"][0].update(changes)
    return json.dumps(whole).encode()


HOSTILE_BUNDLES = {
    "empty": b"",
    "a list": b"[]",
    "another format": _bundle(format="control-core-telemetry-bundle/2"),
    "another member": _bundle(more=1),
    "a duplicate member": _bundle()[:-1] + b', "format": "control-core-telemetry-bundle/1"}',
    "a head that is none": _bundle(ledger_head="x"),
    "no transmissions": _bundle(transmissions={}),
    "too many": _bundle(transmissions=[0] * 10_001),
    "an ID that is none": _with(id="7"),
    "an ID of another type": _with(id=7),
    "a timestamp that is a truth": _with(timestamp=True),
    "a timestamp of any length": _bundle().replace(b'"timestamp": 1', b'"timestamp": ' + b"9" * 5_000),
    "a header that is not ASCII": _with(content_type="application/jsön"),
    "a body that is not base64": _with(body_b64="*"),
    "a member too many": _with(more=1),
    "deep": b'{"format":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not ASCII": _bundle().replace(b"v1,AAAA", "v1,ÄÄ".encode()),
}


@each("hostile", HOSTILE_BUNDLES)
def test_a_file_that_is_no_bundle_is_refused_in_a_sentence(bare: CommandLine, tmp_path: Path, hostile: str) -> None:
    (tmp_path / "out.json").write_bytes(HOSTILE_BUNDLES[hostile])
    code, said = take(bare, "out.json")
    assert code == 1
    assert said.startswith("This is not a bundle of transmissions. Nothing was accepted. (bundle-malformed)")
    assert not (tmp_path / "receipts.json").exists()


def test_a_bundle_that_is_too_large_is_refused_before_it_is_parsed(bare: CommandLine, tmp_path: Path) -> None:
    with (tmp_path / "out.json").open("wb") as file:
        file.truncate(MAX_BUNDLE_BYTES + 1)
    assert take(bare, "out.json")[1].startswith("This is not a bundle of transmissions.")


def test_a_bundle_of_strangers_is_refused_by_name(bare: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_bytes(_bundle())
    code, said = take(bare, "out.json")
    assert (code, said.splitlines()[0]) == (0, f"{UUID(int=7)}: refused (key-unknown)")
    assert len(json.loads((tmp_path / "receipts.json").read_text())["refused"]) == 1
