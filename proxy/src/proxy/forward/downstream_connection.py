"""A caller's connection as its request sees it, whichever parser of uvicorn's reads it."""

import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final

STATE_KEY: Final = "proxy.downstream"
"""Where the server's protocol class puts it in a request's state."""

_CLOSE: Final = 7
_CLOSE_WAIT: Final = 8
"""States of a TCP connection that the caller reset, and of one whose caller closed its side: Linux' tcp_states.h."""

_BYTES_ACKED_AT: Final = 120
"""tcpi_bytes_acked, a u64, in Linux' struct tcp_info (linux/tcp.h); since Linux 4.1."""


class DownstreamConnection:
    """The connection as a request sees it. One request of a connection is worked on at a time: one listener.

    `on_timeout` is called when the request's body stops or comes too slowly; `timed_out`: it was cut, for its caller
    did not read. `cut` ends the connection within an answer.
    """

    __slots__ = ("_socket", "cut", "hold_next_write", "lost", "on_lost", "on_timeout", "timed_out")

    def __init__(self, cut: Callable[[], None], connection: socket.socket | None = None) -> None:
        self.cut = cut
        self.hold_next_write: Callable[[], None] | None = None
        self._socket = connection
        self.lost = self.timed_out = False
        self.on_lost: Callable[[], None] | None = None
        self.on_timeout: Callable[[], None] | None = None

    @property
    def in_use(self) -> bool:
        """Whether a request listens, which will report what becomes of it."""
        return self.on_lost is not None or self.on_timeout is not None

    def has_closed_its_side(self) -> bool:
        """Ask the kernel whether the caller's FIN is here, while nothing reads from the connection.

        A caller that closes with more on its way than the kernel here has room for is not seen: its FIN comes after
        that. Linux only; elsewhere the answer is no until it is read.
        """
        return self._is_in(_CLOSE_WAIT)

    def was_reset(self) -> bool:
        """Ask the kernel whether the caller has reset the connection. Linux only, as `has_closed_its_side`."""
        return self._is_in(_CLOSE)

    def _is_in(self, state: int) -> bool:
        if self.lost or self._socket is None or sys.platform != "linux":
            return self.lost
        try:
            return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == state
        except (OSError, ValueError):  # closed meanwhile
            return True

    def unacknowledged_bytes(self) -> int:
        """Return how many bytes the kernel has that the caller's has not taken. Linux only; 0 elsewhere."""
        if self._socket is None or sys.platform != "linux":
            return 0
        try:  # SIOCOUTQ, tcp(7)
            return int.from_bytes(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):  # closed meanwhile
            return 0

    def acknowledged_bytes(self) -> int:
        """Return how many bytes the caller's kernel has taken since the connection began. Linux only; 0 elsewhere."""
        if self._socket is None or sys.platform != "linux":
            return 0
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED_AT + 8)
            return int.from_bytes(info[_BYTES_ACKED_AT:], sys.byteorder)
        except (OSError, ValueError):
            return 0

    def reset_when_closed(self) -> None:
        """Let the end of the connection drop what the kernel still has for the caller, which would keep it for long."""
        if self._socket is not None:
            with suppress(OSError, ValueError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def lose(self) -> None:
        """The connection is gone."""
        self.lost = True
        if self.on_lost is not None:
            self.on_lost()
