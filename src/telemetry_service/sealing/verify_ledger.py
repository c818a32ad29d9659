"""Verify an export of the telemetry ledger, offline and without the service.

    python -I verify_ledger.py EXPORT --ledger-key KEY [--vendor-key KEY] [--anchor SEQ:HASH] [--seen FOLDER]

It needs Python 3.11 and the package ``cryptography``. Exit code 0: all that could be checked is right. 7: verification
failed. 2: the arguments or the export cannot be read. Only what you pass is trusted: take the keys, the anchors, and
this file from a place that the authors of the export cannot change.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MOST_PROBLEMS, MOST_LINE, MOST_EVIDENCE = 1000, 1 << 20, 1 << 24  # It stops after so many; the most bytes it reads.
_HEX, _ANCHOR = re.compile(r"[0-9a-f]{64}"), re.compile(r"(?:([0-9]{1,18}):)?([0-9a-f]{64})")
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_TYPES = {"seq": (int,), "prev": (str,), "at": (str,), "kind": (str,), "actor": (dict,), "source": (dict, type(None))}
_DIGESTS = {"salted", "prepared_sha256", "payload_sha256", "body_sha256", "schema_sha256"}
_ABOUT_TRANSMISSIONS = {"prepared", "attempt", "answered", "migrated", "withdrawn", "accepted_without_receipt"}
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_Claims = dict[str, Any]


class _RefusedError(Exception):
    """A line that is not part of the ledger: the code, the rest of the sentence, and the key if that is wrong."""


class Problem(NamedTuple):
    """What is wrong, or could not be checked: the number of the entry, a stable code, and a sentence."""

    seq: int | None
    code: str
    sentence: str


class Report(NamedTuple):
    """What was found. Evidence counts once for each time that an entry names it."""

    head: tuple[int, str] | None
    problems: list[Problem]
    notes: list[Problem]
    counts: Counter[str]
    signers: frozenset[str]  # IDs of the keys that signed entries.


class _Transmission:
    def __init__(self, *, complete: bool) -> None:
        self.complete = complete  # Whether all its entries are in what is verified.
        self.prepared: str | None = None
        self.payloads: dict[int, str] = {}  # Digests by the numbers of the attempts.


class Verifier:
    """Checks line after line. It keeps the keys, the unfinished transmissions, and the IDs of the finished ones."""

    def __init__(  # noqa: PLR0913 - each is something that a caller may have
        self,
        trusted: Iterable[bytes],  # Raw public keys of the ledger.
        *,
        evidence: Callable[[str], bytes | None],  # The bytes that a hex SHA-256 digest names; None if purged.
        vendor_keys: Iterable[bytes] = (),  # Raw public keys of the License Server.
        anchors: Iterable[str] = (),  # HASH or SEQ:HASH of lines that must be there.
        seen: Mapping[str, str] | None = None,  # Captured bodies: names by hex SHA-256 digest.
        checkpoint: str | None = None,  # What a pruned ledger begins with.
        after: tuple[int, str] | None = None,  # Number and digest of the last line of an earlier run.
        excerpt: bool = False,  # Lines may be left out, as in the list of one transmission.
    ) -> None:
        self.problems, self._notes, self._counts = list[Problem](), list[Problem](), Counter[str]()
        self._keys = {_sha256(raw)[:16]: Ed25519PublicKey.from_public_bytes(raw) for raw in trusted}
        self._vendor = [Ed25519PublicKey.from_public_bytes(raw) for raw in vendor_keys]
        self._trusted, self._retired, self._signers, self._wrong = set(self._keys), set[str](), set[str](), set[str]()
        self._current = ""  # The key that signs now; and the first entry that no trusted key vouches for yet:
        self._pending: tuple[int, str] | None = None
        self._evidence, self._bytes = evidence, lru_cache(16)(self._read_evidence)
        self._anchors, self._seen = dict(map(_anchor, anchors)), dict(seen or {})
        self._sent = dict[str, _Transmission | None]()  # None if it has ended.
        self._excerpt, self._checkpoint = excerpt, None if after else checkpoint
        self._refused, self.base = 0, after or _base(self._checkpoint)
        self._head, self._complete = self.base, not excerpt and self.base[0] == 0
        self._meet(*self.base)

    def take(self, line: str, seq: int | None = None) -> bool:
        """Check the next line; return whether it is right. Pass its number if lines may be left out."""
        self._counts["entries"] += 1
        try:
            kid, claims = self._opened(line)
            if seq not in {None, claims["seq"]}:
                raise _RefusedError("order", f"is in the wrong place: its number is {claims['seq']}.", "")  # noqa: TRY301
            # Entries about keys are never pruned; the chain itself begins with the checkpoint.
            kept = claims["kind"] == "ledger_key" and claims["seq"] <= self.base[0] == self._head[0]
            linked = not kept and self._follows(claims["seq"], claims["prev"])
        except (_RefusedError, *_MALFORMED) as error:
            self._refused += 1
            known = isinstance(error, _RefusedError)
            code, text, wrong = error.args if known else ("malformed", "is not a signed entry in canonical form.", "")
            if not wrong or wrong not in self._wrong:  # The entries under a wrong key are one problem.
                self._say(seq or self._head[0] + self._refused, code, text)
            self._wrong.add(wrong)
            return False
        if not kept and claims["seq"] <= self._head[0]:
            return False
        place = claims["seq"], _sha256(line.encode())
        self._meet(*place)
        if not kept:
            self._head, self._refused = place, 0
            self._signers.add(kid)
        try:
            self._follow_keys(kid, claims, kept=kept, linked=linked)
            self._check_evidence(claims)
            if claims["kind"] in _ABOUT_TRANSMISSIONS and claims.get("of") != "activity":
                self._check_transmission(claims["seq"], claims["kind"], claims["transmission_id"], claims)
        except _MALFORMED:
            self._say(claims["seq"], "malformed", "does not contain what an entry of its kind contains.")
        return True

    def finish(self) -> Report:
        """Return what was found so far. More lines may follow, and another report."""
        full = len(self.problems) >= MOST_PROBLEMS
        problems = self.problems + ([] if full else [*self._missing()])
        text = "The anchor {} is from before the part of the ledger that was verified, so it was not checked."
        old = [seq for seq in self._anchors.values() if seq is not None and seq < self.base[0]]
        notes = self._notes + [Problem(seq, "anchor", text.format(seq)) for seq in old]
        head = self._head if self._head[0] else None
        return Report(head, problems, notes, self._counts.copy(), frozenset(self._signers))

    def _say(self, seq: int, code: str, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(seq, code, f"Entry {seq} {text}"))

    def _meet(self, seq: int, digest: str) -> None:
        if self._anchors.get(digest, -1) in {None, seq}:
            del self._anchors[digest]
            self._counts["anchors met"] += 1

    def _opened(self, line: str) -> tuple[str, _Claims]:
        """Return the key and the claims of a line whose form, signature and key are right."""
        kid, claims, signed, signature = _read_line(line)
        typed = all(type(claims[name]) in types for name, types in _TYPES.items())
        right = typed and _HEX.fullmatch(claims["prev"]) and _AT.fullmatch(claims["at"])
        if not (right and isinstance(claims["actor"]["type"], str)):
            raise ValueError
        reason, key = _key_reason(claims), self._keys.get(kid)
        if key is None and reason in {"first", "lost"}:  # Signed by the key that it announces; not yet trusted.
            key = dict([_announced(claims)]).get(kid)
        if key is None:
            text = f"is signed by the key {kid}, which is not trusted; later entries may be, too."
            raise _RefusedError("unknown_key", text, kid)
        if not _is_signed(key, signature, signed):
            raise _RefusedError("signature", "was changed: its signature is wrong.", "")
        if not (self._current in {"", kid} or self._excerpt or (reason == "lost" and kid not in self._retired)):
            text = f"is signed by the key {kid}, when {self._current} had to sign; later entries may be, too."
            raise _RefusedError("key_order", text, kid)
        self._keys[kid] = key
        return kid, claims

    def _follows(self, seq: int, prev: str) -> bool:
        """Return whether it follows the last entry, with nothing deleted, inserted, moved or refused in between."""
        last, digest = self._head
        if seq <= last:
            self._say(seq, "order", f"is in the wrong place: it comes after entry {last}.")
        elif seq == last + 1 and prev != digest:
            self._say(seq, "chain", f"was written after another entry {last} than the one in this ledger.")
        elif seq not in {last + 1, last + 1 + self._refused} and not self._excerpt:
            self._say(last + 1, "missing", f"is missing: entry {seq} comes after entry {last}.")
        return seq == last + 1 and prev == digest

    def _follow_keys(self, kid: str, claims: _Claims, *, kept: bool, linked: bool) -> None:
        """Trust keys forward, from a trusted one, and backward: each line commits to all lines before it."""
        reason, seq = _key_reason(claims), claims["seq"]
        if reason == "lost" and self._current != kid:
            self._retired.add(self._current)
            if self._pending:
                text = "says that the key before it was lost: entry {} and later ones, signed by {}, are not proved."
                self._say(seq, "key_lost", text.format(*self._pending))
            self._pending = None
        self._current = kid
        if not linked:
            self.problems += self._unvouched()
            self._pending = None
        self._pending = None if kid in self._trusted else self._pending or (None if kept else (seq, kid))
        if reason == "rotated":
            self._current, key = _announced(claims)
            self._retired.add(kid)
            if self._current in self._retired or self._keys.setdefault(self._current, key) != key:
                self._say(seq, "key_order", f"announces the key {self._current}, which was used before.")
            self._trusted |= {self._current} if kid in self._trusted else set()

    def _unvouched(self) -> Iterator[Problem]:
        if self._pending:
            text = "Entry {} and later ones are signed by the key {}, which is not trusted, and no trusted key follows."
            yield Problem(self._pending[0], "unknown_key", text.format(*self._pending))

    def _check_evidence(self, claims: _Claims) -> None:
        self._counts["migrated"] += claims["kind"] == "migrated"
        left: list[Any] = [claims]
        while left:
            value = left.pop()
            left += value if isinstance(value, list) else []
            for name, member in value.items() if isinstance(value, dict) else ():
                if name not in _DIGESTS or member is None:
                    left.append(member)
                    continue
                self._seen.pop(member if name == "body_sha256" else "", None)
                state, _ = self._bytes(member)
                withheld = " or withheld" if (name, state) == ("salted", "purged") else ""  # Exports may omit persons.
                self._counts["evidence " + state + withheld] += 1
                if state == "changed":
                    self._say(claims["seq"], "evidence_changed", f"names the evidence {member}, which was changed.")

    def _read_evidence(self, digest: str) -> tuple[str, bytes]:
        if not _HEX.fullmatch(digest):  # It becomes the name of a file.
            raise ValueError
        content = self._evidence(digest)
        if content is None:
            return "purged", b""
        return ("checked", content) if _sha256(content) == digest else ("changed", b"")

    def _check_transmission(self, seq: int, kind: str, name: str, claims: _Claims) -> None:
        sent, ended = self._sent.get(name), name in self._sent and self._sent[name] is None
        before, complete = sent.prepared if sent else None, sent.complete if sent else self._complete
        if kind == "prepared":
            if ended or ((before or complete) and before != claims.get("replaces")):
                self._say(seq, "prepared_twice", f"does not replace what was prepared before for transmission {name}.")
        elif (ended and kind != "answered") or (name not in self._sent and self._complete and kind != "migrated"):
            self._say(seq, "not_prepared", f"is about transmission {name}, which was not prepared, or had ended.")
        sent = sent or _Transmission(complete=complete and kind == "prepared")
        if kind in {"prepared", "migrated"}:
            sent.prepared = claims["prepared_sha256"] if kind == "prepared" else claims.get("prepared_sha256")
        elif kind == "attempt":
            self._check_attempt(seq, sent, claims)
        elif kind == "answered":
            self._check_answer(seq, name, sent, claims)
        ends = ended or kind in {"withdrawn", "accepted_without_receipt"} or claims.get("state") == "success"
        self._sent[name] = None if ends else sent

    def _check_attempt(self, seq: int, sent: _Transmission, claims: _Claims) -> None:
        number, payload = claims["number"], claims["payload_sha256"]
        if number <= max(sent.payloads, default=0):
            self._say(seq, "attempt_order", f"is attempt {number}, but follows a later one.")
        sent.payloads[number] = payload
        copies = [self._bytes(digest)[1] if digest else b"" for digest in (payload, sent.prepared)]
        plain = claims["encrypted"] is False and claims["body_sha256"] != payload
        if plain or (all(copies) and not _is_prepared(*copies)):
            self._say(seq, "payload_changed", "sent something that is not the prepared payload.")

    def _check_answer(self, seq: int, name: str, sent: _Transmission, claims: _Claims) -> None:
        if claims["number"] not in sent.payloads and sent.complete:
            self._say(seq, "no_attempt", f"is the response to attempt {claims['number']}, which was not made.")
        if claims["receipt"] is None:
            return
        try:
            state = self._receipt_state(name, sent, *_jws(claims["receipt"]))
        except _MALFORMED:
            state = "not verified"
        self._counts["receipts " + state] += 1
        if state == "of another transmission":
            self._say(seq, "receipt", "contains the receipt of another transmission.")
        elif state == "not verified":
            text = f"The receipt in entry {seq} is not verified: no --vendor-key signed it for what was sent."
            self._notes.append(Problem(seq, "receipt", text))

    def _receipt_state(
        self, name: str, sent: _Transmission, header: _Claims, claims: _Claims, signed: bytes, signature: bytes
    ) -> str:
        if claims["transmission_id"] != name:
            return "of another transmission"
        if not self._vendor:
            return "not checked"
        right = (
            header["alg"] in {"EdDSA", "Ed25519"} and "crit" not in header and isinstance(claims["received_at"], str)
        )
        if not (right and any(_is_signed(key, signature, signed) for key in self._vendor)):
            return "not verified"
        if claims["payload_sha256"] in sent.payloads.values():
            return "verified"
        return "not verified" if sent.complete else "not checked"

    def _missing(self) -> Iterator[Problem]:
        """Yield the problems of the ledger as a whole."""
        if not self._head[0]:
            yield Problem(None, "empty", "The ledger has no valid entry.")
        yield from self._unvouched()
        if self._checkpoint and not self._is_checkpoint_signed(self._checkpoint):
            yield Problem(None, "checkpoint", "The checkpoint was changed, or another key than the ledger's signed it.")
        before = f" (Only entries after {self.base[0]} were searched.)" if self.base[0] else ""
        for digest, seq in self._anchors.items():
            if seq is None or seq >= self.base[0]:
                text = f"The ledger was truncated or rolled back: it has no line with the digest {digest}.{before}"
                yield Problem(seq, "rolled_back", text)
        for name in self._seen.values():
            yield Problem(None, "not_recorded", f"No attempt in the ledger sent the captured body {name}.{before}")

    def _is_checkpoint_signed(self, checkpoint: str) -> bool:
        try:
            kid, _, signed, signature = _read_line(checkpoint)
        except _MALFORMED:
            return False
        signers = self._signers | {self._current} if self._signers else self._trusted
        return self.base[0] > 0 and kid in signers and _is_signed(self._keys[kid], signature, signed)


def verify(lines: Iterable[str], verifier: Verifier) -> Report:
    """Check all lines, or as many as it takes to find ``MOST_PROBLEMS`` problems."""
    for line in lines:
        verifier.take(line)
        if len(verifier.problems) >= MOST_PROBLEMS:
            break
    return verifier.finish()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _decode(text: str) -> bytes:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(raw) != text:  # Each value has exactly one text.
        raise ValueError
    return raw


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _members(pairs: list[tuple[str, Any]]) -> _Claims:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


_parse = json.JSONDecoder(object_pairs_hook=_members, parse_float=str, parse_constant=str).decode
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def _jws(text: str) -> tuple[_Claims, _Claims, bytes, bytes]:
    """Return the header, the claims, what is signed, and the signature of a JWS in compact serialization."""
    head, body, signature = text.split(".")
    return _parse(_decode(head).decode()), _parse(_decode(body).decode()), f"{head}.{body}".encode(), _decode(signature)


def _read_line(line: str) -> tuple[str, _Claims, bytes, bytes]:
    """Return the key, the claims, what is signed, and the signature of a line in canonical form."""
    header, claims, signed, signature = _jws(line if len(line) <= MOST_LINE else "")
    ours = {"alg": "EdDSA", "kid": header["kid"], "typ": "control-core-ledger"}
    if f"{_encode(_write(ours).encode())}.{_encode(_write(claims).encode())}".encode() != signed:
        raise ValueError
    return header["kid"], claims, signed, signature


def _key_reason(claims: _Claims) -> str | None:
    return str(claims["reason"]) if claims["kind"] == "ledger_key" else None


def _announced(claims: _Claims) -> tuple[str, Ed25519PublicKey]:
    raw = _decode(claims["public_key"])
    if _sha256(raw) != claims["fingerprint"]:
        raise ValueError
    return _sha256(raw)[:16], Ed25519PublicKey.from_public_bytes(raw)


def _is_signed(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _is_prepared(sent: bytes, prepared: bytes) -> bool:
    """Whether the payload as sent is the prepared one with ``transmitted_at`` added."""
    member = _write({"transmitted_at": json.loads(sent)["transmitted_at"]})[1:-1].encode()
    return prepared in {sent.replace(member + b",", b"", 1), sent.replace(b"," + member, b"", 1)}


def _anchor(text: str) -> tuple[str, int | None]:
    found = _ANCHOR.fullmatch(text)
    if not found:
        raise ValueError("an anchor is HASH or SEQ:HASH, and HASH has 64 hex digits in lower case")
    return found[2], int(found[1]) if found[1] else None


def _base(checkpoint: str | None) -> tuple[int, str]:
    """Return the entry that the chain begins after; what is not a checkpoint is reported at the end."""
    try:
        claims = _read_line(checkpoint or "")[1]
        if claims["kind"] == "checkpoint" and type(claims["seq"]) is int and _HEX.fullmatch(claims["sha256"]):
            return claims["seq"], claims["sha256"]
    except _MALFORMED:
        pass
    return 0, "0" * 64


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """Open an export, a zip or a folder, as a path. It is only read, and no name in it is used."""
    if path.is_dir():
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        names, ways = archive.namelist(), {part.compress_type for part in archive.infolist()}
        if len(set(names)) != len(names) or any(".." in name or name[:1] in {"/", "\\"} for name in names):
            raise ValueError("it contains a name twice, or a name outside of it")
        if not ways <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ValueError("it is compressed in another way than exports are")
        yield cast("Path", zipfile.Path(archive))  # It has the few methods that are used.


def _lines(export: Path) -> Iterator[str]:
    with (export / "lines.txt").open("rb") as file:
        while line := file.readline(MOST_LINE + 1):
            yield line.removesuffix(b"\n").decode("ascii", "backslashreplace")


def _content(export: Path, name: str) -> bytes | None:
    """Return the bytes of a file, or None if there is none; of one that cannot be read, what no digest matches."""
    try:
        if not (export / name).is_file():
            return None
        with (export / name).open("rb") as file:
            content: bytes = file.read(MOST_EVIDENCE)
    except Exception as error:  # noqa: BLE001 - a hostile archive breaks the library in many ways
        return f"not readable: {error!r}".encode()
    return content


def _key(text: str) -> bytes:
    text = Path(text[1:]).read_text("ascii") if text.startswith("@") else text
    pem = "-----BEGIN" in text
    key = load_pem_public_key(text.encode()) if pem else Ed25519PublicKey.from_public_bytes(_decode(text.strip("= \n")))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a key is an Ed25519 public key")  # noqa: TRY004 - the text is wrong, not its type
    return key.public_bytes_raw()


def _captured(folder: Path | None) -> dict[str, str]:
    """Return the names of captured bodies by digest, without those of connection tests."""
    if folder and not folder.is_dir():
        raise ValueError("--seen is not a folder")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()] if folder else []
    digests = {_sha256(path.read_bytes()): str(path) for path in files}
    return {digest: name for digest, name in digests.items() if digest != _sha256(b"{}")}


def _summary(report: Report, given: argparse.Namespace) -> Iterator[str]:
    yield "The last entry is {}, and the digest of its line is {}.".format(*report.head or ("missing", "missing"))
    yield "It was signed by: {}.".format(", ".join(sorted(report.signers)) or "no key")
    yield from (f"{name.capitalize()}: {count}" for name, count in sorted(report.counts.items()))
    yield "Not checked: evidence that was purged or withheld."
    yield "Not checked: what an older version left (migrated), and what encrypted bodies contain."
    if not given.vendor_key:
        yield "Not checked: the signatures of receipts (there is no --vendor-key)."
    if not given.anchor:
        yield "Not checked: whether the latest entries are missing, as in an old backup (there is no --anchor)."
    yield from (f"Note: {note.sentence}" for note in report.notes)
    yield from (f"Failed: {problem.sentence} [{problem.code}]" for problem in report.problems)
    yield f"Verification failed. Problems: {len(report.problems)}." if report.problems else "Verified."


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument(
        "--ledger-key", action="append", required=True, help="public key, PEM or @FILE; the present one is enough"
    )
    parser.add_argument("--vendor-key", action="append", default=[], help="of the License Server, for receipts")
    parser.add_argument("--anchor", action="append", default=[], help="HASH or SEQ:HASH that you kept elsewhere")
    parser.add_argument("--seen", type=Path, help="a folder with bodies that you captured")
    # One key in 64 begins with a hyphen, which would make it an option.
    joined = re.sub("(--(?:ledger|vendor)-key)\0", r"\1=", "\0".join(sys.argv[1:] if arguments is None else arguments))
    given = parser.parse_args(joined.split("\0") if joined else [])
    try:
        with _opened(given.export) as export:
            checkpoint = _content(export, "checkpoint.jws")
            verifier = Verifier(
                map(_key, given.ledger_key),
                evidence=lambda digest: _content(export, f"evidence/{digest}"),
                vendor_keys=map(_key, given.vendor_key),
                anchors=given.anchor,
                seen=_captured(given.seen),
                checkpoint=None if checkpoint is None else checkpoint.decode("ascii", "replace").strip(),
            )
            report = verify(_lines(export), verifier)
    except Exception as error:  # noqa: BLE001 - as above
        parser.error(f"the arguments or the export cannot be read: {error!r}")
    for text in _summary(report, given):
        print("".join(character if " " <= character <= "~" else "?" for character in text))
    return 7 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
