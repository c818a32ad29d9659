"""Everything that crosses the only interface of a network namespace: its packets, names asked for and handshakes."""

import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_ALL_PROTOCOLS = 3
_LONGEST = 131_072
_SYN, _ACK = 0x02, 0x10
_QUESTION_TYPES = {1: "A", 28: "AAAA"}
DNS = 53

SERVER_NAME, ALPN, SESSION_TICKET, PRE_SHARED_KEY, EARLY_DATA, VERSIONS = 0, 16, 35, 41, 42, 43
"""Extensions of a ClientHello (IANA)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One TCP segment or UDP datagram; anything else has no ports."""

    protocol: int
    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    opens: bool
    """Whether it is the first one of a TCP connection."""
    content: bytes


class Wire:
    """Listens to all interfaces, from now on. A packet of the loopback is there as soon as it was sent."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
        self._socket.settimeout(0)

    def drain(self) -> list[Packet]:
        """Return the packets since the last call."""
        return list(self._sent())

    def _sent(self) -> Iterator[Packet]:
        with suppress(BlockingIOError):
            while True:
                content, (_, _, kind, *_) = self._socket.recvfrom(_LONGEST)
                if kind == socket.PACKET_OUTGOING:  # The loopback shows each packet twice.
                    yield _packet(content)


def _packet(content: bytes) -> Packet:
    if content[0] >> 4 == 4:
        protocol, addresses, length = content[9], (content[12:16], content[16:20]), (content[0] & 15) * 4
        family = socket.AF_INET
    else:
        protocol, addresses, length, family = content[6], (content[8:24], content[24:40]), 40, socket.AF_INET6
    source, target = (socket.inet_ntop(family, address) for address in addresses)
    return _with_ports(protocol, source, target, content[length:])


def _with_ports(protocol: int, source: str, target: str, content: bytes) -> Packet:
    if protocol not in {socket.IPPROTO_TCP, socket.IPPROTO_UDP}:
        return Packet(protocol, (source, 0), (target, 0), 0, opens=False, content=content)
    source_port, target_port, sequence = struct.unpack("!HHI", content[:8])
    if protocol == socket.IPPROTO_UDP:
        return Packet(protocol, (source, source_port), (target, target_port), 0, opens=False, content=content[8:])
    opens = content[13] & (_SYN | _ACK) == _SYN
    start = (content[12] >> 4) * 4
    return Packet(protocol, (source, source_port), (target, target_port), sequence, opens, content[start:])


def questions(packets: Iterable[Packet]) -> list[tuple[str, str]]:
    """Return what name servers were asked: the kind of address, and the name."""
    return [_question(packet.content) for packet in packets if packet.target[1] == DNS]


def _question(datagram: bytes) -> tuple[str, str]:
    labels, position = [], 12
    while length := datagram[position]:
        labels.append(datagram[position + 1 : position + 1 + length].decode())
        position += 1 + length
    (kind,) = struct.unpack_from("!H", datagram, position + 1)
    return _QUESTION_TYPES.get(kind, str(kind)), ".".join(labels)


def opened(packets: Iterable[Packet]) -> list[tuple[str, int]]:
    """Return where TCP connections were opened to."""
    return [packet.target for packet in packets if packet.opens]


def streams(packets: Iterable[Packet], port: int) -> list[bytes]:
    """Return what was sent to a TCP port, in each connection."""
    segments: dict[tuple[str, int], dict[int, bytes]] = defaultdict(dict)
    for packet in packets:
        if packet.protocol == socket.IPPROTO_TCP and packet.target[1] == port and packet.content:
            segments[packet.source][packet.sequence] = packet.content
    return [b"".join(content for _, content in sorted(sent.items())) for sent in segments.values()]


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a TLS client says before anything is encrypted."""

    server_name: str | None
    protocols: list[str]
    versions: list[str]
    resumes: bool
    """Whether it refers to an earlier connection."""


def client_hello(stream: bytes) -> ClientHello:
    """Read the beginning of a TLS connection."""
    handshake, _, length = struct.unpack("!BHH", stream[:5])
    assert (handshake, stream[5]) == (22, 1), "not a ClientHello"
    extensions = _extensions(stream[9 : 5 + length])
    return ClientHello(
        extensions[SERVER_NAME][5:].decode() if SERVER_NAME in extensions else None,
        [name.decode() for name in _prefixed(extensions.get(ALPN, b"\0\0")[2:])],
        [f"TLS 1.{minor - 1}" for minor in extensions[VERSIONS][2::2] if minor <= 4],
        bool(extensions.get(SESSION_TICKET)) or PRE_SHARED_KEY in extensions or EARLY_DATA in extensions,
    )


def _extensions(hello: bytes) -> dict[int, bytes]:
    position = 2 + 32
    position += 1 + hello[position]  # The session ID, random in TLS 1.3.
    position += 2 + struct.unpack_from("!H", hello, position)[0]
    position += 1 + hello[position] + 2
    found = {}
    while position < len(hello):
        kind, length = struct.unpack_from("!HH", hello, position)
        found[kind] = hello[position + 4 : position + 4 + length]
        position += 4 + length
    return found


def _prefixed(names: bytes) -> Iterator[bytes]:
    while names:
        yield names[1 : 1 + names[0]]
        names = names[1 + names[0] :]
