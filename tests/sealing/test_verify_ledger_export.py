"""The verifier as a program: on an export, by itself, with ``cryptography`` as its only dependency."""

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from telemetry_service.sealing import verify_ledger
from telemetry_service.sealing.verify_ledger import main
from tests.support.ledger_lines import Ledger, Signer, export_files, sha256, write_folder, write_zip
from tests.support.lonely_python import lonely_python

PROGRAM = Path(verify_ledger.__file__)
KEY, NEW, STRANGER, VENDOR = map(Signer, range(4))
FIRST, SECOND = "0193b2f6-7a00-7000-8000-0000000000a1", "0193b2f6-7a00-7000-8000-0000000000a2"


def small() -> Ledger:
    ledger = Ledger.begun(KEY)
    ledger.send(FIRST, VENDOR, body=b"sealed")
    ledger.send(SECOND, VENDOR)
    return ledger


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "export.zip", export_files(small()))


def run(export: Path, *arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the program in this process, and return its exit code and what it printed."""
    try:
        code = main([str(export), *map(str, arguments)])
    except SystemExit as ended:
        code = int(str(ended.code))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_zip_is_verified(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = small().head
    code, text = run(
        export, "--ledger-key", KEY.text, "--vendor-key", VENDOR.text, "--anchor", f"7:{head[1]}", capsys=capsys
    )
    assert code == 0
    assert text.splitlines()[-1] == "Verified."
    for said in (
        "Receipts verified: 2",
        "Entries: 7",
        "Anchors met: 1",
        f"entry is 7, and the digest of its line is {head[1]}",
    ):
        assert said in text
    assert "Failed" not in text


def test_a_folder_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "export", export_files(small()))
    assert run(folder, "--ledger-key", KEY.text, capsys=capsys)[0] == 0
    evidence = min((folder / "evidence").iterdir())
    evidence.write_bytes(evidence.read_bytes() + b"\n")
    code, text = run(folder, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 7
    assert "[evidence_changed]" in text


def test_it_says_what_it_could_not_check(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(export, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 0
    assert "Receipts not checked: 2" in text
    assert "Not checked: the signatures of receipts (there is no --vendor-key)." in text
    assert "whether the latest entries are missing" in text
    assert "Not checked: what an older version left (migrated)" in text


def test_a_pruned_export_begins_with_its_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = small()
    ledger.prune(4)
    files = export_files(ledger)
    path = write_zip(tmp_path / "pruned.zip", files)
    assert run(path, "--ledger-key", KEY.text, capsys=capsys)[0] == 0
    path = write_zip(tmp_path / "broken.zip", files | {"checkpoint.jws": b"\xff" * 1000})
    code, text = run(path, "--ledger-key", KEY.text, capsys=capsys)
    assert (code, "[checkpoint]" in text) == (7, True)


def test_a_changed_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = small()
    ledger.change(4, state="rejected")
    path = write_zip(tmp_path / "export.zip", export_files(ledger))
    code, text = run(path, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 7
    assert "Failed: Entry 4 was changed: its signature is wrong. [signature]" in text
    assert text.splitlines()[-1] == "Verification failed. Problems: 1."


def test_an_anchor_shows_a_truncated_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = small()
    anchor = sha256(ledger.lines.pop())
    path = write_zip(tmp_path / "export.zip", export_files(ledger))
    assert run(path, "--ledger-key", KEY.text, capsys=capsys)[0] == 0
    code, text = run(path, "--ledger-key", KEY.text, "--anchor", anchor, capsys=capsys)
    assert code == 7
    assert "truncated or rolled back" in text


# Keys.


def test_a_key_may_be_given_in_each_form(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pem").write_text(KEY.pem)
    (tmp_path / "key.txt").write_text(KEY.text + "\n")
    for form in (KEY.text, KEY.text + "=", KEY.pem, f"@{tmp_path}/key.pem", f"@{tmp_path}/key.txt"):
        assert run(export, "--ledger-key", form, capsys=capsys)[0] == 0
    assert run(export, "--ledger-key", STRANGER.text, "--ledger-key", KEY.text, capsys=capsys)[0] == 0
    assert run(export, "--ledger-key", STRANGER.text, capsys=capsys)[0] == 7


def test_a_key_may_begin_with_a_hyphen(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert STRANGER.text.startswith("-")
    arguments = ["--ledger-key", STRANGER.text, "--ledger-key", KEY.text, "--vendor-key", STRANGER.text]
    assert run(export, *arguments, capsys=capsys)[0] == 0


def test_arguments_that_cannot_be_read_are_an_error(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = generate_private_key(SECP256R1()).public_key()
    foreign = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for key in ("", "x", KEY.fingerprint, foreign, "-----BEGIN PUBLIC KEY-----", f"@{tmp_path}/missing", f"@{export}"):
        code, text = run(export, "--ledger-key", key, capsys=capsys)
        assert (code, "cannot be read" in text) == (2, True), key
    for arguments in (["--anchor", "x"], ["--vendor-key", "x"]):
        assert run(export, "--ledger-key", KEY.text, *arguments, capsys=capsys)[0] == 2
    assert run(export, capsys=capsys)[0] == 2
    assert run(tmp_path / "missing.zip", "--ledger-key", KEY.text, capsys=capsys)[0] == 2


# Captured bodies.


def test_captured_bodies_are_looked_for(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = write_folder(tmp_path / "seen", {"a/1.bin": b"sealed", "ping.bin": b"{}"})
    assert run(export, "--ledger-key", KEY.text, "--seen", seen, capsys=capsys)[0] == 0
    write_folder(seen, {"a/\x1b[31m.bin": b"something else"})
    code, text = run(export, "--ledger-key", KEY.text, "--seen", seen, capsys=capsys)
    assert code == 7
    assert "a/?[31m.bin" in text
    assert "1.bin" not in text
    assert run(export, "--ledger-key", KEY.text, "--seen", tmp_path / "missing", capsys=capsys)[0] == 2


# Hostile exports.


def hostile(tmp_path: Path) -> dict[str, Path]:
    """Return exports that cannot be read, by what is wrong with them."""
    files = export_files(small())
    without = {name: content for name, content in files.items() if name != "lines.txt"}
    exports = {
        "no lines": write_zip(tmp_path / "1.zip", without),
        "up": write_zip(tmp_path / "2.zip", files | {"../../up.txt": b"x"}),
        "absolute": write_zip(tmp_path / "3.zip", files | {"/tmp/absolute.txt": b"x"}),  # noqa: S108 - refused
        "lines as a folder": write_zip(tmp_path / "4.zip", without | {"lines.txt/x": b"x"}),
        "not a zip": tmp_path / "5.zip",
        "cut": tmp_path / "6.zip",
        "folder without lines": write_folder(tmp_path / "7", without),
        "lzma": tmp_path / "8.zip",
    }
    exports["not a zip"].write_bytes(b"PK\x03\x04 nothing")
    exports["cut"].write_bytes(exports["no lines"].read_bytes()[:-30])
    with zipfile.ZipFile(exports["lzma"], "w", zipfile.ZIP_LZMA) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.warns(UserWarning, match="Duplicate name"):
        exports["twice"] = write_zip(tmp_path / "9.zip", [*files.items(), ("lines.txt", b"")])
    return exports


def test_an_export_that_cannot_be_read_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports = hostile(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for name, path in exports.items():
        code, text = run(path, "--ledger-key", KEY.text, capsys=capsys)
        assert (code, "the export cannot be read" in text) == (2, True), name
        assert "Traceback" not in text
    assert sorted(tmp_path.rglob("*")) == before


def test_every_cut_and_every_changed_byte_of_a_zip_ends_without_a_crash(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = export.read_bytes()
    for position in range(0, len(whole), 61):
        for damaged in (whole[:position], whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]):
            export.write_bytes(damaged)
            code, text = run(export, "--ledger-key", KEY.text, capsys=capsys)
            assert code in {0, 2, 7}
            assert code or text.splitlines()[-1] == "Verified."


def test_bytes_that_are_not_text_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = export_files(small())
    path = write_zip(tmp_path / "export.zip", files | {"lines.txt": files["lines.txt"] + b"\xff\xfe\x00\r\x1b[31m\n"})
    code, text = run(path, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 7
    assert "Entry 8 is not a signed entry" in text


def test_broken_evidence_in_a_zip_names_the_entry(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(export) as archive:
        part = archive.getinfo(f"evidence/{sha256(b'sealed')}")
    content = bytearray(export.read_bytes())
    content[part.header_offset + 30 + len(part.filename) + 2] ^= 1
    export.write_bytes(content)
    code, text = run(export, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 7
    assert "Failed: Entry 3 names the evidence" in text


def test_a_line_or_evidence_without_end_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = small()
    ledger.evidence[sha256(b"sealed")] = b"sealed" + bytes(40 << 20)
    files = export_files(ledger)
    path = write_zip(tmp_path / "bomb.zip", files | {"lines.txt": files["lines.txt"] + bytes(40 << 20)})
    code, text = run(path, "--ledger-key", KEY.text, capsys=capsys)
    assert code == 7
    assert "Entry 3 names the evidence" in text
    assert "Entry 8 is not a signed entry" in text


def test_what_nobody_asks_for_is_not_read(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(export, "a") as archive:
        archive.writestr("evidence/" + "ab" * 32, b"nothing names it")
        archive.writestr("keys.json", b'{"ledger": "not trusted"}')
    assert run(export, "--ledger-key", KEY.text, capsys=capsys)[0] == 0


# On its own.


def test_it_imports_the_standard_library_and_cryptography_alone() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module))
    top = {name.split(".")[0] for name in imported}
    assert top - sys.stdlib_module_names == {"cryptography"}


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has ``cryptography`` with what that needs, and nothing of the service."""
    return lonely_python(tmp_path_factory.mktemp("lonely"))


def alone(python: Path, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [str(python), "-I", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)


def test_it_runs_where_the_service_cannot_be_imported(lonely: Path, export: Path, tmp_path: Path) -> None:
    assert alone(lonely, "-c", "import telemetry_service", folder=tmp_path).returncode == 1
    program = tmp_path / "verify_ledger.py"
    program.write_bytes(PROGRAM.read_bytes())
    right = alone(lonely, program, export, "--ledger-key", KEY.text, folder=tmp_path)
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.endswith("Verified.\n")
    wrong = alone(lonely, program, export, "--ledger-key", STRANGER.text, folder=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (7, "")
    assert "Entry 1 and later ones are signed by the key" in wrong.stdout
    unusable = alone(lonely, program, program, "--ledger-key", KEY.text, folder=tmp_path)
    assert (unusable.returncode, unusable.stdout) == (2, "")
    helped = alone(lonely, program, "--help", folder=tmp_path)
    assert "--anchor" in helped.stdout


def test_it_is_short_enough_to_be_read() -> None:
    assert len(PROGRAM.read_text("utf-8").splitlines()) <= 507
