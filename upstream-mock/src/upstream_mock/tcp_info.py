"""What the kernel knows of a TCP connection: the bytes it carried, and those not acknowledged yet."""

import asyncio
import errno
import fcntl
import socket
import struct
import sys
import termios

_BYTES = struct.Struct("=QQ")
_ACKED_OFFSET = 120
"""tcpi_bytes_acked, then tcpi_bytes_received, in struct tcp_info of Linux 4.1 and later (include/uapi/linux/tcp.h)."""


def socket_of(transport: asyncio.BaseTransport) -> socket.socket:
    """The socket beneath a transport, also beneath TLS."""
    found: socket.socket = transport.get_extra_info("socket")
    return found


def byte_counts(connection: socket.socket) -> tuple[int | None, int | None]:
    """Bytes received, and bytes sent that the other side has acknowledged; None where unknown.

    One call into the kernel for a connection, instead of counting at every write.
    """
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_OFFSET + _BYTES.size)
    except (AttributeError, OSError):  # not Linux, or closed already
        return None, None
    if len(info) < _ACKED_OFFSET + _BYTES.size:
        return None, None
    acknowledged, received = _BYTES.unpack_from(info, _ACKED_OFFSET)
    return received, acknowledged


def unacknowledged(connection: socket.socket) -> int:
    """Bytes in the socket's send queue (tcp(7), SIOCOUTQ); OSError if it is closed or the system does not report it."""
    if connection.fileno() < 0:  # of a closed socket, which fcntl refuses with a ValueError
        raise OSError(errno.EBADF, "the socket is closed")
    return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
