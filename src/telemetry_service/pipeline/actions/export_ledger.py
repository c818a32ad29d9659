"""Exports the ledger as a zip that others verify. It is streamed and read in steps, so a long one needs little memory.

The files of evidence are named by their digests. A verifier needs the keys from elsewhere: ``keys.json`` only
says which ones to look for.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.base64url import to_base64url
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.payload_schemas.published import document_of, published
from telemetry_service.pipeline.queries.ledger import read_ledger_keys
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.zip_stream import Member, zip_stream
from telemetry_service.sealing.digest import sha256_hex
from telemetry_service.sealing.ledger_key import fingerprint
from telemetry_service.sealing.verifier_file import NAME as VERIFIER
from telemetry_service.sealing.verifier_file import verifier_source
from telemetry_service.storage.database import Transaction

FILE_NAME = "telemetry-ledger.zip"

_LINES, _FILES = 500, 100
"""The lines, and the files of evidence, that are read at once."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_File = tuple[str, bytes]
_README = """\
The ledger of a telemetry installation of Control Core
======================================================

lines.txt         one signed entry a line, oldest first (JWS in compact serialization, Ed25519)
evidence/         the bytes that entries name by their SHA-256 digest: payloads, bodies as they were sent, schemas,
                  and, if they were asked for, salted values (32 bytes of salt, then the value)
keys.json         the public keys that the installation named when it made this export
checkpoint.jws    if older entries were pruned: the signed end of them, which the first entry follows
verify_ledger.py  the verifier

How to verify it
----------------
You need Python 3.11 or newer with the package "cryptography".

    python -I verify_ledger.py EXPORT.zip --ledger-key KEY --vendor-key KEY --anchor SEQ:HASH

Exit code 0: all that could be checked is right. 7: verification failed, and each bad entry is named.

Who may read it
---------------
Keep this file as confidential as the payloads in it: one that left with the customer ID as plain text has it here too.
Names, addresses, customer IDs, extension codes and reasons of the entries are here only if they were asked for
(--persons, or persons=true). Without them, the verifier counts them as purged or withheld, and checks all the rest.

What not to trust
-----------------
Nothing in this file. Anyone who made it could have put other keys and another verifier into it. Take from elsewhere:

--ledger-key   the public key of the ledger, written down earlier ("telemetry-service ledger key", or the Proof page).
               Compare the fingerprint. A key that a trusted one has announced is trusted, too.
--vendor-key   the public key of the License Server, from Control Core. Without it, receipts are not checked.
--anchor       the number and the digest of an entry, from a log archive or an earlier export. Without one, no one can
               see whether the latest entries are missing, as after a truncation or in an old backup.
verify_ledger.py   from a release of the service, or read it: it is one file.

What it cannot prove: that an entry is true. Anyone who holds the ledger's key, or a backup and ENCRYPTION_KEY, could
have written any entries since that key began. An anchor from before gives that away.
"""


def export_ledger(runtime: Runtime, actor: Actor, *, persons: bool = False) -> Iterator[bytes]:
    """Return the export in parts. That it was made is its own last entry, unless the actor made several in a row.

    Without ``persons``, what the salted digests stand for is withheld.
    """
    of = "ledger_with_persons" if persons else "ledger"
    with runtime.database.write() as tx:
        tx.ledger.note_often(runtime.clock.now(), actor, Kind.EXPORTED, {"of": of})
    return zip_stream(_members(runtime, persons=persons))


def _members(runtime: Runtime, *, persons: bool) -> Iterator[Member]:
    yield "README.txt", [_README.encode()]
    yield VERIFIER, [verifier_source()]
    yield "keys.json", [_keys(runtime)]
    with runtime.database.read() as tx:
        checkpoint, last = tx.ledger.checkpoint(), tx.ledger.head().seq
    if checkpoint is not None:
        yield "checkpoint.jws", [checkpoint.encode()]
    yield "lines.txt", _lines(runtime, last)
    for digest, content in _evidence(runtime, persons=persons):
        yield f"evidence/{digest}", [content]


def _keys(runtime: Runtime) -> bytes:
    keys, pinned = read_now(runtime, read_ledger_keys), runtime.receipt_keys
    raw_keys = pinned.public_keys if pinned else ()
    said = {
        "ledger_key": asdict(keys.present) if keys.present else None,
        "earlier_ledger_keys": [asdict(key) for key in keys.earlier],
        "license_server_keys": [
            {"public_key": to_base64url(raw).decode(), "fingerprint": fingerprint(raw)} for raw in raw_keys
        ],
    }
    return (json.dumps(said, indent=2) + "\n").encode()


def _lines(runtime: Runtime, last: int) -> Iterator[bytes]:
    after = 0
    while after < last:
        with runtime.database.read() as tx:
            lines = [line for line in tx.ledger.page(_LINES, after=after) if line.seq <= last]
        if not lines:
            return
        yield "".join(f"{_one_line(line.line)}\n" for line in lines).encode("ascii", "backslashreplace")
        after = lines[-1].seq


def _one_line(line: str | None) -> str:
    """Return an entry as one line of the file, whatever someone has put there: it has the place of one entry."""
    return "(unreadable)" if line is None else " ".join(line.splitlines())


def _evidence(runtime: Runtime, *, persons: bool) -> Iterator[_File]:
    """Yield everything that is kept, each digest once: a zip with a name twice would be refused.

    Of several copies, one that is right is enough.
    """
    kept = _each(runtime, lambda tx, after: tx.evidence.after(after, _FILES))
    salted = _each(runtime, lambda tx, after: tx.ledger.salted_after(after, _FILES)) if persons else iter(())
    for digest, same in groupby(merge(kept, salted, _schemas()), key=itemgetter(0)):
        if _DIGEST.fullmatch(digest):  # It becomes the name of a file.
            copies = [content for _digest, content in same]
            yield digest, next((it for it in copies if sha256_hex(it) == digest), copies[0])


def _each(runtime: Runtime, page: Callable[[Transaction, str], tuple[_File, ...]]) -> Iterator[_File]:
    after = ""
    while True:
        with runtime.database.read() as tx:
            found = page(tx, after)
        yield from found
        if len(found) < _FILES:
            return
        after = found[-1][0]


def _schemas() -> Iterator[_File]:
    for digest in sorted(published().by_digest):
        document: Any = document_of(digest)
        yield digest, document
