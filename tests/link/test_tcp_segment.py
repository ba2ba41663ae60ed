"""Segments read and RSTs forged, byte by byte; RFC 9293 and RFC 1071 are the oracle."""

import socket
import struct

import pytest

from link.tcp_segment import ACKNOWLEDGES, FIN, RST, SYN, TcpSegment, checksum, read, reset_onwards, reset_to_sender

CLIENT, UPSTREAM = ("10.0.0.2", 40_000), ("10.0.0.1", 8001)
PUSH = 0x08


def packet(sequence: int, acknowledgement: int, flags: int, payload: bytes = b"", options: int = 12) -> bytes:
    """Return a packet of the client's to the upstream, with so many bytes of TCP options."""
    source, target = socket.inet_aton(CLIENT[0]), socket.inet_aton(UPSTREAM[0])
    ports = struct.pack("!HH", CLIENT[1], UPSTREAM[1])
    rest = struct.pack("!IIBBHHH", sequence, acknowledgement, (20 + options) // 4 << 4, flags, 1000, 0, 0)
    tcp = ports + rest + bytes(options) + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + source + target + tcp


def parsed(made: bytes) -> TcpSegment:
    """Return the segment of a packet that must hold one."""
    segment = read(made)
    assert segment
    return segment


def address(of: tuple[str, int]) -> bytes:
    """Return address and port as a segment has them."""
    return socket.inet_aton(of[0]) + of[1].to_bytes(2)


def test_a_segment_is_read_with_its_options_left_out() -> None:
    """Payload is what the IP header's length leaves of it."""
    segment = parsed(packet(1000, 2000, ACKNOWLEDGES | PUSH, b"abc"))
    assert (segment.source, segment.target) == (address(CLIENT), address(UPSTREAM))
    assert (segment.sequence, segment.acknowledgement, segment.payload) == (1000, 2000, 3)
    assert (segment.opens, segment.resets, segment.ends) == (False, False, False)


def test_what_is_too_short_or_lies_about_its_length_holds_no_payload() -> None:
    """A packet that was cut is not read; one whose TCP header is longer than itself has no payload."""
    whole = packet(1, 1, ACKNOWLEDGES)
    assert read(whole[:39]) is None
    long = bytearray(whole)
    long[32] = 15 << 4
    assert parsed(bytes(long)).payload == 0


@pytest.mark.parametrize("forge", [reset_to_sender, reset_onwards])
@pytest.mark.parametrize("flags", [SYN, ACKNOWLEDGES | PUSH, ACKNOWLEDGES | FIN])
def test_checksum_and_length_of_a_forged_reset_hold(forge: type, flags: int) -> None:
    """The sum over pseudo-header and segment, its own checksum included, is 0; a wrong one the kernel would drop."""
    made = forge(parsed(packet(1000, 2000, flags, b"odd")))
    assert int.from_bytes(made[2:4]) == len(made) == 40
    assert made[9] == socket.IPPROTO_TCP
    assert checksum(made[12:20] + struct.pack("!HH", socket.IPPROTO_TCP, 20) + made[20:]) == 0
    assert parsed(made).resets
    assert parsed(made).payload == 0


def test_the_sender_of_a_syn_is_refused_by_a_reset_that_acknowledges_it() -> None:
    """RFC 9293, 3.10.7.1: without an ACK the RST has sequence number 0 and acknowledges SYN, payload and FIN."""
    segment = parsed(reset_to_sender(parsed(packet(1000, 0, SYN))))
    assert (segment.source, segment.target) == (address(UPSTREAM), address(CLIENT))
    assert (segment.sequence, segment.acknowledgement, segment.flags) == (0, 1001, RST | ACKNOWLEDGES)
    fast_open = parsed(reset_to_sender(parsed(packet(2**32 - 2, 0, SYN | FIN, b"abc"))))
    assert fast_open.acknowledgement == 3


def test_the_sender_of_anything_else_gets_what_it_acknowledges_as_sequence_number() -> None:
    """That is the only one it takes a RST with (RFC 5961), and the RST acknowledges nothing."""
    segment = parsed(reset_to_sender(parsed(packet(1000, 2000, ACKNOWLEDGES | PUSH, b"abc"))))
    assert (segment.sequence, segment.acknowledgement, segment.flags) == (2000, 0, RST)


def test_the_receiver_gets_a_reset_where_it_expected_the_segment() -> None:
    """From its peer, with the segment's own numbers."""
    segment = parsed(reset_onwards(parsed(packet(1000, 2000, ACKNOWLEDGES | PUSH, b"abc"))))
    assert (segment.source, segment.target) == (address(CLIENT), address(UPSTREAM))
    assert (segment.sequence, segment.acknowledgement, segment.flags) == (1000, 2000, RST | ACKNOWLEDGES)
    assert parsed(reset_onwards(parsed(packet(1000, 5, 0, b"a")))).acknowledgement == 0


def test_the_checksum_is_that_of_the_rfc() -> None:
    """RFC 1071's own example: 0001 f203 f4f5 f6f7 add up to ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2
