"""What may be wrong with an encrypted transmission. Each one here is signed rightly, and leaves no trace."""

import base64
import json

from tests.reference.sender import API_KEY, JOSE, JSON, PING, Draft, Line, canonical, encrypt, payload, refuse
from tests.support.each import each


def test_where_encryption_is_required_a_payload_in_clear_is_refused(encrypted_only: Line) -> None:
    assert refuse(encrypted_only, Draft(canonical(payload())).signed()) == (422, "encryption-required")
    sealed = Draft(encrypt(canonical(payload()), API_KEY), JOSE)
    assert encrypted_only.send(sealed.signed()).json()["status"] == "accepted"
    assert encrypted_only.send(Draft(b"{}", path=PING).signed()).json() == {"status": "ok"}


@each(
    "header",
    [
        {"enc": "A128GCM"},
        {"kid": "0" * 16},
        {"cty": "text"},
        {"typ": "JWE"},
        {"zip": "DEF"},
        {"alg": "A256KW"},
    ],
)
def test_the_header_of_the_jwe_is_exactly_the_one_of_the_protocol(line: Line, header: dict[str, str]) -> None:
    if header == {"enc": "A128GCM"}:
        body = _with_header(encrypt(canonical(payload()), API_KEY), header)
    else:
        body = encrypt(canonical(payload()), API_KEY, **header)
    assert refuse(line, Draft(body, JOSE).signed()) == (400, "encryption-invalid")


def test_the_header_of_the_jwe_names_nothing_twice(line: Line) -> None:
    parts = encrypt(canonical(payload()), API_KEY).split(b".")
    stated = _decoded(parts[0]).replace(b"{", b'{"alg":"dir",', 1)
    body = b".".join([_encoded(stated), *parts[1:]])
    assert refuse(line, Draft(body, JOSE).signed()) == (400, "encryption-invalid")


# The second part, the encrypted key, is empty as it should be: it cannot be made shorter.
@each(
    ("part", "how"),
    [
        (part, how)
        for part in range(5)
        for how in ("shorter", "longer", "padded", "other", "empty")
        if (part, how) not in {(1, "shorter"), (1, "empty")}
    ],
)
def test_each_part_of_the_jwe_has_to_be_right(line: Line, part: int, how: str) -> None:
    parts = encrypt(canonical(payload()), API_KEY).split(b".")
    before = parts[part]
    match how:
        case "shorter":
            parts[part] = before[:-4]
        case "longer":
            parts[part] = before + b"AAAA"
        case "padded":
            parts[part] = before + b"="
        case "other":
            parts[part] = (b"B" if before[:1] == b"A" else b"A") + before[1:]
        case _:
            parts[part] = b""
    assert refuse(line, Draft(b".".join(parts), JOSE).signed()) == (400, "encryption-invalid")


def test_a_truncated_tag_is_refused(line: Line) -> None:
    head, _, tag = encrypt(canonical(payload()), API_KEY).rpartition(b".")
    body = head + b"." + _encoded(_decoded(tag)[:12])
    assert refuse(line, Draft(body, JOSE).signed()) == (400, "encryption-invalid")


def test_the_border_between_ciphertext_and_tag_is_where_it_belongs(line: Line) -> None:
    """The cipher itself would take it: to AES-GCM both are one run of bytes."""
    head, ciphertext, tag = encrypt(canonical(payload()), API_KEY).rsplit(b".", 2)
    moved = [_encoded(_decoded(ciphertext)[:-1]), _encoded(_decoded(ciphertext)[-1:] + _decoded(tag))]
    assert refuse(line, Draft(b".".join([head, *moved]), JOSE).signed()) == (400, "encryption-invalid")


@each("body", [b"", b".", b"....", b"a.b.c.d", b"a.b.c.d.e.f", b"{}", canonical(payload())])
def test_what_is_no_jwe_is_refused(line: Line, body: bytes) -> None:
    assert refuse(line, Draft(body, JOSE).signed()) == (400, "encryption-invalid")


def test_a_jwe_that_says_it_is_json_is_refused(line: Line) -> None:
    assert refuse(line, Draft(encrypt(canonical(payload()), API_KEY), JSON).signed()) == (400, "json-malformed")


def _with_header(body: bytes, changes: dict[str, str]) -> bytes:
    parts = body.split(b".")
    stated = json.loads(_decoded(parts[0])) | changes
    return b".".join([_encoded(json.dumps(stated).encode()), *parts[1:]])


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _encoded(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")
