"""How many bytes a connection carried, as the kernel counted them."""

import socket
import struct
from typing import Any

_BYTES = struct.Struct("=QQ")
_ACKED_OFFSET = 120
"""tcpi_bytes_acked, then tcpi_bytes_received, in struct tcp_info of Linux 4.1 and later (include/uapi/linux/tcp.h)."""


def traffic(connection: Any) -> tuple[int | None, int | None]:
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
