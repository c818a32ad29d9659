"""A sender of transmissions that shares no code with the service or with the License Server.

It signs with ``standardwebhooks``, encrypts with ``jwcrypto`` and derives its keys with the standard
library, from the words of the protocol alone.
"""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from jwcrypto import jwe, jwk
from standardwebhooks import Webhook

from telemetry_service.domain.clock import SystemClock, rfc3339
from telemetry_service.reference.background import ReferenceProcess
from telemetry_service.reference.journal import JournalEntry
from telemetry_service.reference.refusals import PROBLEM_MEDIA_TYPE

JSON = "application/json"
JOSE = "application/jose"
TELEMETRY = "/v1/telemetry"
PING = "/v1/telemetry/ping"
CUSTOMER = "cus_Nq4Rz7WkX2"
API_KEY = "ck_test_6Jd0fLq2vBn8SxTz4WmY"


def hkdf(api_key: str, info: str) -> bytes:
    """HKDF-SHA256 with an empty salt and 32 bytes of output, which is one round (RFC 5869)."""
    extracted = hmac.new(b"", api_key.encode(), hashlib.sha256).digest()
    return hmac.new(extracted, info.encode() + b"\x01", hashlib.sha256).digest()


def key_id(api_key: str) -> str:
    return hashlib.sha256(b"control-core-telemetry/key-id/v1\0" + api_key.encode()).hexdigest()[:16]


def pseudonym(api_key: str, customer_id: str) -> str:
    key = hkdf(api_key, "control-core-telemetry/pseudonym/v1")
    return "anon_" + hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()


def payload(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON, right or wrong
    """A payload that a License Server accepts, but for ``changes``."""
    right: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "instance_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "date": "2026-11-15",
        "bouncer_count": 21,
        "deployed_bouncer_count": 22,
        "active_reporting_bouncer_count": 20,
        "policy_decision_count": 184_220,
        "total_events": 201_904,
        "successful_decisions": 183_901,
        "sandbox_events": 41_004,
        "production_events": 160_900,
        "health_status": "healthy",
        "deployment_version": "4.2.0",
        "tier": "professional",
        "license_status": "active",
        "days_remaining": 112,
        "telemetry_availability": "available",
        "bouncer_pairs": {"total_pairs": 12, "sandbox_only_count": 2, "production_only_count": 1, "paired_count": 9},
        "license_metrics": {
            "license_token_connected": True,
            "license_token_expired": False,
            "license_token_refreshed": True,
            "license_token_age_days": 6,
            "license_token_expires_in_days": 24,
            "telemetry_last_attempt_ok": True,
            "telemetry_last_success_age_hours": 336,
        },
        "redeemed_extension_codes": ["EXT-30D-7Q2M"],
        "transmitted_at": rfc3339(SystemClock().now()),
    }
    return right | changes


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785, as far as a payload needs it: ASCII names, integers, no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encrypt(plaintext: bytes, api_key: str, **header: str) -> bytes:
    """The plaintext as JWE by ``jwcrypto``, with the protocol's header but for ``header``."""
    stated = {"alg": "dir", "enc": "A256GCM", "kid": key_id(api_key), "cty": "json"} | header
    content_key = hkdf(api_key, "control-core-telemetry/jwe/v1")
    key = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(content_key).rstrip(b"=").decode())
    token = jwe.JWE(plaintext, protected=json.dumps(stated), algs=[stated["alg"], stated["enc"]])
    token.add_recipient(key)
    serialized: str = token.serialize(compact=True)
    return serialized.encode()


def sign(api_key: str, transmission_id: UUID, timestamp: int, body: bytes) -> str:
    """The signature that ``standardwebhooks`` makes."""
    secret = base64.b64encode(api_key.encode()).decode()
    return Webhook(secret).sign(str(transmission_id), datetime.fromtimestamp(timestamp, UTC), body.decode())


@dataclass(frozen=True)
class Message:
    """A request as it goes over the wire."""

    body: bytes
    headers: dict[str, str]
    path: str = TELEMETRY

    def but(self, header: str, value: str) -> "Message":
        """The same message with another value of one header; its signature stays what it was."""
        return Message(self.body, self.headers | {header: value}, self.path)

    def but_body(self, body: bytes) -> "Message":
        """The same message with another body; its signature stays what it was."""
        return Message(body, self.headers, self.path)

    def without(self, header: str) -> "Message":
        return Message(self.body, {n: v for n, v in self.headers.items() if n != header}, self.path)


@dataclass(frozen=True)
class Draft:
    """What a message is made of. Everything is right unless it is said otherwise."""

    body: bytes
    content_type: str = JSON
    transmission_id: UUID = field(default_factory=uuid4)
    api_key: str = API_KEY
    seconds_late: int = 0
    path: str = TELEMETRY

    def signed(self) -> Message:
        timestamp = int(SystemClock().now().timestamp()) - self.seconds_late
        return Message(
            self.body,
            {
                "Content-Type": self.content_type,
                "X-Telemetry-Id": str(self.transmission_id),
                "X-Telemetry-Timestamp": str(timestamp),
                "X-Telemetry-Signature": sign(self.api_key, self.transmission_id, timestamp, self.body),
                "X-Telemetry-Key-Id": key_id(self.api_key),
                "User-Agent": "control-core-telemetry/0.0.1",
            },
            self.path,
        )


@dataclass(frozen=True)
class Line:
    """The line to a License Server."""

    server: ReferenceProcess
    client: httpx.Client

    def send(self, message: Message) -> httpx.Response:
        return self.client.post(self.server.url + message.path, content=message.body, headers=message.headers)

    def journal(self, transmission_id: UUID) -> JournalEntry | None:
        found = [entry for entry in self.server.journal() if entry.transmission_id == transmission_id]
        assert len(found) <= 1
        return found[0] if found else None


def connect(ca_file: Path) -> httpx.Client:
    """A client that trusts one authority, checks its certificates strictly, and heeds nothing of its environment."""
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return httpx.Client(verify=context, trust_env=False)


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of a problem."""
    assert response.headers["Content-Type"] == PROBLEM_MEDIA_TYPE
    stated = response.json()
    assert stated["status"] == response.status_code
    assert API_KEY not in response.text
    return response.status_code, stated["type"].removeprefix("urn:control-core:license-server:")


def refuse(line: Line, message: Message) -> tuple[int, str]:
    """Send what must not be accepted, make sure that it was not, and return how it was refused."""
    response = line.send(message)
    identity = message.headers.get("X-Telemetry-Id")
    assert identity not in {str(entry.transmission_id) for entry in line.server.journal()}
    return refusal(response)
