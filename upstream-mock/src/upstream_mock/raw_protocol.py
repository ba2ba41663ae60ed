"""uvicorn's HTTP/1.1 protocol as faults need it: what is beneath HTTP can be reached (`upstream_mock.wire` in words).

It leans on what the pinned uvicorn's cycle says of itself.
"""

import contextlib
import socket
import struct
from abc import ABCMeta, abstractmethod

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from upstream_mock.connection_log import ClosedBy, ConnectionRecord
from upstream_mock.tcp_info import unacknowledged
from upstream_mock.tls_close import close_without_waiting


class RawProtocol(HttpToolsProtocol, metaclass=ABCMeta):
    """A connection that can be broken in every way that the faults know."""

    _entry: ConnectionRecord
    _socket: socket.socket
    _running: RequestResponseCycle | None
    _closed_by: ClosedBy | None

    @abstractmethod
    def _finish(self, *, completed: bool, faulted: bool = False) -> None:
        """Count the running request out, if there is one."""

    @property
    def carried(self) -> int:
        """Requests so far."""
        return self._entry.carried

    @property
    def body_due(self) -> bool:
        """Not all of the request has come."""
        cycle = self._running
        return cycle is not None and cycle.more_body and not cycle.waiting_for_100_continue

    @property
    def unsent(self) -> int:
        """Bytes in the transport's buffer and, on Linux, in the kernel's."""
        unsent = 0
        with contextlib.suppress(AttributeError, OSError):  # closed meanwhile, or a system that does not tell
            unsent = self.transport.get_write_buffer_size()
            unsent += unacknowledged(self._socket)
        return unsent

    async def write(self, data: bytes) -> None:
        """Past HTTP."""
        if self._running is not None:
            self.transport.write(data)
            await self.flow.drain()

    def answered(self, *, close: bool) -> None:
        """As uvicorn does it after an answer's last byte."""
        cycle = self._running
        if cycle is not None:
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
            cycle.keep_alive = cycle.keep_alive and not close
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()

    def answered_early(self) -> None:
        """Deaf before the answer counts as given, so that no pipelined request begins."""
        self.parser = _DiscardingParser()  # type: ignore[assignment] # all that uvicorn asks of it is feed_data
        self.pipeline.clear()
        self.answered(close=False)
        self._closed_by = self._closed_by or "server"
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()

    def cut(self, *, reset: bool) -> None:
        """End it; uvicorn takes the caller for gone, and neither answers for the app nor complains of it."""
        cycle = self._running
        if cycle is None:
            return
        self._finish(completed=False, faulted=self._closed_by is None)
        self._closed_by = self._closed_by or "server"
        cycle.disconnected = True
        cycle.message_event.set()
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.close()

    def close(self) -> None:
        """With FIN."""
        self.transport.close()
        close_without_waiting(self.loop, self.transport, self._socket, self._entry)


class _DiscardingParser:
    """A parser that hears nothing."""

    def feed_data(self, data: bytes) -> None:
        """Thrown away."""
