"""uvicorn's HTTP/1.1 protocol with a ledger: the connections and requests of the data port, each counted once.

The counting is here and not in the app because only the protocol knows when an answer was written out and who hung
up. It leans on inner methods of uvicorn, as the pinned version has them: `_start_asgi_task`, `on_response_complete`,
`timeout_keep_alive_handler`, `_unset_keepalive_if_required`; for faults, on what a cycle says of itself.
"""

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from upstream_mock.caller import SCOPE_KEY, Caller
from upstream_mock.counts import Counts
from upstream_mock.ledger import ClosedBy
from upstream_mock.mock import Mock


class Connection(HttpToolsProtocol):
    """One connection to the data port; to faults, which reach beneath HTTP, it is a `Wire`."""

    def __init__(self, *args: Any, mock: Mock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = mock.settings.keepalive_seconds  # type: ignore[assignment] # call_later takes floats
        self.caller = Caller(self)
        self._faults = mock.faults
        self._requests = mock.requests
        self._ledger = mock.connections
        self._closed_by: ClosedBy | None = None
        self._running: RequestResponseCycle | None = None
        self._run: Counts | None = None

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        super().connection_made(transport)
        self._entry = self._ledger.opened()

    def on_message_begin(self) -> None:
        """A request begins to arrive; the app finds its caller in the scope."""
        super().on_message_begin()
        self.scope[SCOPE_KEY] = self.caller  # type: ignore[literal-required] # a key of our own

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # A pipelined request comes here only when the one before it was answered: one runs at a time.
        self._ledger.request(self._entry)
        self._run = self._requests.begin(cycle.scope["headers"])  # type: ignore[arg-type] # a list, in uvicorn
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The app has given its last byte; to a client who has hung up already it was not written."""
        self._finish(completed=self._closed_by is None)
        super().on_response_complete()

    def eof_received(self) -> None:
        """The client closed its side; uvicorn then closes ours, answered or not."""
        self._closed_by = self._closed_by or "client"

    def timeout_keep_alive_handler(self) -> None:
        """Idle for too long."""
        self._closed_by = self._closed_by or "server-idle"
        super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone: whoever works for this caller stops."""
        # uvicorn forgets its timer when a connection is reset, which would keep the connection in memory till it fires.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._running is not None:
            # uvicorn says so to the newest request only, which may be one in the pipeline.
            self._running.disconnected = True
            self._finish(completed=False)
        self._ledger.closed(self._entry, self._closed_by or ("server" if exc is None else "client-reset"))
        self.caller.leave()

    def _finish(self, *, completed: bool, faulted: bool = False) -> None:
        if self._running is not None:
            self._requests.end(self._run, completed=completed, faulted=faulted)
            self._running = self._run = None

    def shutdown(self) -> None:
        """The mock is to end: no fault holds a request any longer."""
        self._faults.hurry()
        super().shutdown()

    # What faults do; upstream_mock.wire has it in words.

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
        ours = self.transport.get_write_buffer_size()
        with contextlib.suppress(OSError):  # closed meanwhile, or a system that does not tell
            ours += int.from_bytes(fcntl.ioctl(self._socket(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return ours

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
            if close or not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()

    def answered_early(self) -> None:
        """Deaf before the answer counts as given, so that no pipelined request begins."""
        self.parser = _Deaf()  # type: ignore[assignment] # all that uvicorn asks of it is feed_data
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
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    def close(self) -> None:
        """What `answered_early` left open."""
        self.transport.close()

    def _socket(self) -> socket.socket:
        found: socket.socket = self.transport.get_extra_info("socket")
        return found


class _Deaf:
    """A parser that hears nothing."""

    def feed_data(self, data: bytes) -> None:
        """Thrown away."""
