"""Which of many sockets have something to read: asked of the kernel at once for all, not one by one.

A pool asks of every idle connection for every request whether its peer has closed it. At 64 connections that is a
hundred system calls a request and nearly half of its time. Here one call answers for all of them, and its answer holds
for a millisecond: a connection that was closed within it looks open, as it would if the peer had closed it a
millisecond later. On systems without epoll each socket is asked by itself.
"""

import select
import socket
import time
from typing import Any, Final

FRESH_SECONDS: Final = 0.001


class Readiness:
    """The sockets of one pool."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._readable: frozenset[int] = frozenset()
        self._asked_at = 0.0

    def join(self, peer: socket.socket) -> "Peer":
        """Take a socket in; the kernel forgets it when it is closed."""
        peer_number = peer.fileno()
        if self._epoll is None or peer_number < 0:
            return PolledPeer(peer)
        try:
            self._epoll.register(peer_number, select.EPOLLIN)
        except FileExistsError:  # its number was another connection's that is gone
            self._epoll.modify(peer_number, select.EPOLLIN)
        self._asked_at = 0.0
        return Peer(self, peer)

    def has(self, number: int) -> bool:
        """Say whether a socket had something to read within the last millisecond."""
        now = time.monotonic()
        if now - self._asked_at > FRESH_SECONDS and self._epoll is not None:
            self._readable = frozenset(number for number, _ in self._epoll.poll(0))
            self._asked_at = now
        return number in self._readable

    def close(self) -> None:
        """Give the kernel's list back."""
        if self._epoll is not None:
            self._epoll.close()


class Peer:
    """One socket among the others."""

    def __init__(self, readiness: Readiness, peer: Any) -> None:
        self._readiness = readiness
        self._socket = peer

    def is_readable(self) -> bool:
        """Say whether there is something to read, or the socket is closed."""
        number = self._socket.fileno()
        return number < 0 or self._readiness.has(number)


class PolledPeer(Peer):
    """A socket that is asked by itself."""

    def __init__(self, peer: Any) -> None:
        self._socket = peer
        self._poll = select.poll()
        if peer.fileno() >= 0:
            self._poll.register(peer.fileno(), select.POLLIN)

    def is_readable(self) -> bool:
        """Say whether there is something to read, or the socket is closed."""
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))
