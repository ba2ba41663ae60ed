"""Reads the TCP segment of an IPv4 packet, and makes the RST that answers it. Bytes in, bytes out."""

import struct
from dataclasses import dataclass

FIN, SYN, RST, ACKNOWLEDGES = 0x01, 0x02, 0x04, 0x10
PROTOCOL_TCP = 6
LIFETIME = 64


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """The fields of a segment that a middlebox needs."""

    source: bytes
    """Address and port, six bytes."""
    target: bytes
    sequence: int
    acknowledgement: int
    flags: int
    payload: int
    """Bytes of payload."""

    @property
    def opens(self) -> bool:
        """Whether it is a SYN, with or without an acknowledgement."""
        return bool(self.flags & SYN)

    @property
    def resets(self) -> bool:
        """Whether it is a RST."""
        return bool(self.flags & RST)

    @property
    def ends(self) -> bool:
        """Whether it is a FIN."""
        return bool(self.flags & FIN)


def read(packet: bytes) -> TcpSegment | None:
    """Return the segment of an IPv4 packet; None if it is too short."""
    header = (packet[0] & 15) * 4
    if len(packet) < header + 20:
        return None
    ports, sequence, acknowledgement, offset, flags = struct.unpack_from("!4sIIBB", packet, header)
    payload = int.from_bytes(packet[2:4]) - header - (offset >> 4) * 4
    source, target = packet[12:16] + ports[:2], packet[16:20] + ports[2:]
    return TcpSegment(source, target, sequence, acknowledgement, flags, max(0, payload))


def reset_to_sender(segment: TcpSegment) -> bytes:
    """Return the packet with the RST that refuses a segment (RFC 9293 section 3.10.7.1).

    Its sequence number is what the segment acknowledges; without an acknowledgement it acknowledges the segment.
    """
    if segment.flags & ACKNOWLEDGES:
        return _packet(segment.target, segment.source, segment.acknowledgement, 0, RST)
    length = segment.payload + segment.opens + segment.ends
    acknowledgement = (segment.sequence + length) % 2**32
    return _packet(segment.target, segment.source, 0, acknowledgement, RST | ACKNOWLEDGES)


def reset_onwards(segment: TcpSegment) -> bytes:
    """Return the packet with a RST in place of a segment: it has the sequence number that the receiver expects."""
    acknowledges = segment.flags & ACKNOWLEDGES
    return _packet(
        segment.source,
        segment.target,
        segment.sequence,
        segment.acknowledgement if acknowledges else 0,
        RST | acknowledges,
    )


def _packet(source: bytes, target: bytes, sequence: int, acknowledgement: int, flags: int) -> bytes:
    tcp = source[4:] + target[4:] + struct.pack("!IIBBHHH", sequence, acknowledgement, 5 << 4, flags, 0, 0, 0)
    pseudo = source[:4] + target[:4] + struct.pack("!HH", PROTOCOL_TCP, len(tcp))
    tcp = tcp[:16] + checksum(pseudo + tcp).to_bytes(2) + tcp[18:]
    # For a raw socket the kernel fills in checksum and identification of the IP header.
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, LIFETIME, PROTOCOL_TCP, 0)
    return header + source[:4] + target[:4] + tcp


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes; 0 over data that holds its own."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
