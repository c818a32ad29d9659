"""A ledger as the service writes it, made with ``cryptography`` alone, and the ways to damage it."""

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FIRST_PREV = "0" * 64
NOBODY = {"type": "service"}


def sha256(content: bytes | str) -> str:
    """Return the hex digest."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def canonical(value: object) -> bytes:
    """Return what canonical JSON is for the values of a ledger."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def base64url(raw: bytes) -> str:
    """Return URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Signer:
    """A key pair."""

    def __init__(self, seed: int) -> None:
        """Derive the key from a number, so that a failing example can be repeated."""
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % seed).digest())
        self.public = self._key.public_key().public_bytes_raw()
        self.text = base64url(self.public)
        self.fingerprint = sha256(self.public)
        self.kid = self.fingerprint[:16]
        self.pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def jws(self, header: bytes, claims: bytes) -> str:
        """Sign a header and claims, whatever they are."""
        signed = f"{base64url(header)}.{base64url(claims)}"
        return f"{signed}.{base64url(self._key.sign(signed.encode()))}"

    def line(self, claims: object) -> str:
        """Sign a line of a ledger."""
        return self.jws(canonical({"alg": "EdDSA", "kid": self.kid, "typ": "control-core-ledger"}), canonical(claims))

    def receipt(self, claims: object, **header: object) -> str:
        """Sign a receipt."""
        return self.jws(canonical({"alg": "EdDSA"} | header), canonical(claims))


@dataclass
class Ledger:
    """Lines and evidence. What it writes is right; a test damages it afterward."""

    key: Signer
    lines: list[str] = field(default_factory=list)
    evidence: dict[str, bytes] = field(default_factory=dict)
    checkpoint: str | None = None

    @classmethod
    def begun(cls, key: Signer) -> "Ledger":
        """Return a ledger that has the entry about its first key."""
        ledger = cls(key)
        ledger.write("ledger_key", public_key=key.text, fingerprint=key.fingerprint, reason="first")
        return ledger

    @property
    def head(self) -> tuple[int, str]:
        """The number and the digest of the last line."""
        return len(self.lines), sha256(self.lines[-1]) if self.lines else FIRST_PREV

    def write(self, kind: str, **members: object) -> int:
        """Sign an entry behind the last one, and return its number."""
        seq, prev = self.head
        entry = {"seq": seq + 1, "prev": prev, "at": "2026-11-15T02:03:18.000Z", "kind": kind, "source": None}
        self.lines.append(self.key.line({**entry, "actor": NOBODY, **members}))
        return seq + 1

    def keep(self, content: bytes) -> str:
        """Keep evidence and return its digest."""
        self.evidence[sha256(content)] = content
        return sha256(content)

    def salted(self, value: str) -> dict[str, str]:
        """Keep a salted value and return how a line names it."""
        return {"salted": self.keep(hashlib.sha256(value.encode()).digest() + value.encode())}

    def prepare(self, name: str, count: int = 7, **members: object) -> bytes:
        """Write what is prepared for a transmission, and return its bytes."""
        payload = canonical({"count": count, "instance": "i-1", "zone": "eu"})
        digest, schema = self.keep(payload), self.keep(b'{"schema":1}')
        period = {"opened_at": "2026-11-14T02:00:00.000Z", "closed_at": "2026-11-15T02:00:00.000Z"}
        self.write(
            "prepared",
            transmission_id=name,
            prepared_sha256=digest,
            schema_sha256=schema,
            period=period,
            records=count,
            trigger="scheduled",
            **members,
        )
        return payload

    def attempt(self, name: str, payload: bytes, number: int = 1, body: bytes | None = None, **members: object) -> str:
        """Write an attempt that sends a prepared payload, and return the digest of what is sent."""
        sent = canonical(json.loads(payload) | {"transmitted_at": f"2026-11-15T02:0{number % 10}:17.000Z"})
        digest, body_digest = self.keep(sent), self.keep(sent if body is None else body)
        self.write(
            "attempt",
            **{
                "transmission_id": name,
                "number": number,
                "payload_sha256": digest,
                "body_sha256": body_digest,
                "key_id": "0123456789abcdef",
                "destination": "fedcba9876543210",
                "encrypted": body is not None,
                "timestamp": 1_763_172_197,
                "trigger": "tick",
                **members,
            },
        )
        return digest

    def answer(self, name: str, number: int = 1, state: str = "success", receipt: str | None = None) -> int:
        """Write the response to an attempt."""
        members = {"transmission_id": name, "number": number, "state": state, "receipt": receipt}
        return self.write("answered", **members, cause=None, code=None, duplicate=False)

    def send(self, name: str, vendor: Signer | None = None, count: int = 7, body: bytes | None = None) -> None:
        """Prepare, attempt, and be accepted, with the receipt of a vendor."""
        sent = self.attempt(name, self.prepare(name, count), body=body)
        self.answer(name, receipt=vendor.receipt(receipt_claims(name, sent)) if vendor else None)

    def rotate(self, new: Signer) -> None:
        """Announce a new key, and sign with it from now on."""
        self.write("ledger_key", public_key=new.text, fingerprint=new.fingerprint, reason="rotated")
        self.key = new

    def lose(self, new: Signer) -> None:
        """Go on under a new key that the old one has not announced."""
        self.key = new
        self.write("ledger_key", public_key=new.text, fingerprint=new.fingerprint, reason="lost")

    def prune(self, seq: int) -> None:
        """Delete the entries up to one, except those about keys, and leave a checkpoint."""
        claims = {"kind": "checkpoint", "seq": seq, "sha256": sha256(self.lines[seq - 1]), "at": "2036-11-15T00:00:00Z"}
        self.checkpoint = self.key.line(claims)
        kept = [line for line in self.lines[:seq] if claims_of(line)["kind"] == "ledger_key"]
        self.lines = kept + self.lines[seq:]

    def change(self, seq: int, **members: object) -> None:
        """Change what an entry says, and keep its signature."""
        head, _, signature = self.lines[seq - 1].split(".")
        changed = canonical(claims_of(self.lines[seq - 1]) | members)
        self.lines[seq - 1] = f"{head}.{base64url(changed)}.{signature}"


def claims_of(line: str) -> dict[str, Any]:
    """Return what a line says."""
    body = line.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def receipt_claims(name: str, payload_sha256: str) -> dict[str, str]:
    """Return what a receipt says."""
    return {"transmission_id": name, "payload_sha256": payload_sha256, "received_at": "2026-11-15T02:03:19.000Z"}


def export_files(ledger: Ledger) -> dict[str, bytes]:
    """Return the files of an export."""
    files = {"lines.txt": "".join(f"{line}\n" for line in ledger.lines).encode(), "README.txt": b"Read me."}
    files |= {f"evidence/{digest}": content for digest, content in ledger.evidence.items()}
    return files if ledger.checkpoint is None else files | {"checkpoint.jws": ledger.checkpoint.encode()}


def write_zip(path: Path, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    """Write an export as a zip. Pairs may repeat a name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, content)
    return path


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write an export as a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
