"""The pages for developers of a License Server say what is so: the example runs, the tables are complete."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from joserfc.errors import BadSignatureError, JoseError
from standardwebhooks import WebhookVerificationError

from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.payload import TelemetryAggregatePayload
from telemetry_service.reference.faults import Faults
from telemetry_service.reference.refusals import Reason, status_of
from telemetry_service.sealing.sealer import payload_bytes, seal
from tests.reference.sender import API_KEY, CUSTOMER, JOSE, JSON, Draft, Line, Message, canonical, encrypt, payload
from tests.reference.sender import pseudonym as expected_pseudonym
from tests.support.each import each

_PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
_REFERENCE = _PROTOCOL.with_name("license-server.md")


class Example(NamedTuple):
    """The functions of the worked example."""

    open_transmission: Callable[[dict[str, str], bytes, str], dict[str, Any]]
    pseudonym: Callable[[str, str], str]
    read_receipt: Callable[[str, str], dict[str, str]]


@pytest.fixture(scope="module")
def example() -> Example:
    """The worked example, run as it stands."""
    last = re.findall(r"^```python\n(.*?)^```$", _PROTOCOL.read_text(), re.MULTILINE | re.DOTALL)[-1]
    names: dict[str, Any] = {}
    exec(compile(last, str(_PROTOCOL), "exec"), names)  # noqa: S102 - our own documentation
    return Example(*(names[name] for name in Example._fields))


def sealed_by_the_service(*, encrypted: bool) -> Message:
    valid = TelemetryAggregatePayload.model_validate_json(canonical(payload()))
    message = seal(payload_bytes(valid), uuid4(), int(SystemClock().now().timestamp()), API_KEY, encrypted).message
    return Message(message.body, message.headers())


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_example_opens_what_the_service_seals(line: Line, example: Example, *, encrypted: bool) -> None:
    message = sealed_by_the_service(encrypted=encrypted)
    assert message.headers["Content-Type"] == (JOSE if encrypted else JSON)
    opened = example.open_transmission(message.headers, message.body, API_KEY)
    assert opened == payload(transmitted_at=opened["transmitted_at"])
    assert line.send(message).json()["status"] == "accepted"


def test_the_example_refuses_what_is_not_right(example: Example) -> None:
    message = sealed_by_the_service(encrypted=True)
    with pytest.raises(WebhookVerificationError):
        example.open_transmission(message.headers, message.body + b"A", API_KEY)
    with pytest.raises(WebhookVerificationError):
        example.open_transmission(message.headers, message.body, "ck_test_nobody-knows-it")
    head, _, tag = encrypt(canonical(payload()), API_KEY).rpartition(b".")
    tampered = Draft(head + b"." + (b"B" if tag.startswith(b"A") else b"A") + tag[1:], JOSE).signed()
    with pytest.raises(JoseError):
        example.open_transmission(tampered.headers, tampered.body, API_KEY)


def test_the_example_recomputes_the_pseudonym(example: Example) -> None:
    assert example.pseudonym(API_KEY, CUSTOMER) == expected_pseudonym(API_KEY, CUSTOMER)


# The protocol says EdDSA (RFC 8037); joserfc would rather see the name that RFC 9864 has given it since.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_the_example_reads_a_receipt(line: Line, example: Example) -> None:
    draft = Draft(canonical(payload()))
    receipt = line.send(draft.signed()).json()["receipt"]
    claims = example.read_receipt(receipt, line.server.public_key)
    assert claims["transmission_id"] == str(draft.transmission_id)
    assert claims["payload_sha256"] == hashlib.sha256(draft.body).hexdigest()
    with pytest.raises(BadSignatureError):
        example.read_receipt(receipt, "A" * 43)


@each("reason", Reason)
def test_each_refusal_has_its_entry_on_one_of_the_pages(reason: Reason) -> None:
    entry = f"| {status_of(reason)} | `{reason}` | "
    assert [entry in page.read_text() for page in (_PROTOCOL, _REFERENCE)].count(True) == 1


@each("member", Faults.model_fields)
def test_each_switch_has_its_entry(member: str) -> None:
    assert f"| `{member}` | " in _REFERENCE.read_text()
