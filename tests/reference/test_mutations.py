"""A right request, changed anywhere at all, is never accepted."""

from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference.sender import API_KEY, JOSE, Draft, Line, Message, canonical, encrypt, payload

_VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
_SIGNED_HEADERS = [
    "X-Telemetry-Id",
    "X-Telemetry-Timestamp",
    "X-Telemetry-Signature",
    "X-Telemetry-Key-Id",
    "Content-Type",
]


@st.composite
def edited(draw: st.DrawFn, original: bytes, replacement: st.SearchStrategy[bytes]) -> bytes:
    """``original`` with a stretch of it replaced, doubled, dropped or moved; never itself."""
    start = draw(st.integers(0, len(original)))
    end = draw(st.integers(start, min(len(original), start + 40)))
    before, stretch, after = original[:start], original[start:end], original[end:]
    changed = draw(
        st.one_of(
            st.just(before + after),
            st.just(before + stretch + stretch + after),
            st.just(after + stretch + before),
            replacement.map(lambda new: before + new + after),
            st.just(original[:start]),
        ).filter(lambda candidate: candidate != original)
    )
    return bytes(changed)


@st.composite
def mutated(draw: st.DrawFn) -> Message:
    """A message in clear or encrypted, with a change in its body or in one header."""
    plaintext = canonical(payload())
    right = draw(st.sampled_from([Draft(plaintext), Draft(encrypt(plaintext, API_KEY), JOSE)]))
    message = Draft(right.body, right.content_type, uuid4()).signed()
    if draw(st.booleans()):
        return message.but_body(draw(edited(message.body, st.binary(min_size=1, max_size=40))))
    header = draw(st.sampled_from(_SIGNED_HEADERS))
    changed = draw(edited(message.headers[header].encode(), st.text(_VISIBLE, min_size=1, max_size=40).map(str.encode)))
    # Blanks at the edges of a header are not part of it (RFC 9110 section 5.5).
    if changed.decode().strip() == message.headers[header]:
        changed += b"x"
    return message.but(header, changed.decode())


@given(message=mutated())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_changed_request_is_never_accepted(line: Line, message: Message) -> None:
    accepted_before = len(line.server.journal())
    response = line.send(message)
    assert response.status_code in {400, 401, 413, 415}
    assert "receipt" not in response.text
    assert len(line.server.journal()) == accepted_before
