"""uvicorn's HTTP/1.1 protocol with the mock's counts and logs, and with raw access to the connection for faults.

Counting is here and not in the app because only the protocol knows when an answer was written out and which side
closed. It relies on inner methods of the pinned uvicorn: `_start_asgi_task`, `on_response_complete`,
`timeout_keep_alive_handler`, `_unset_keepalive_if_required`, what `on_header` does, and the fields of its cycle.
"""

import contextlib
import socket
import struct
from time import monotonic_ns
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service_kit.plain_http1 import PlainHttp1Protocol
from service_kit.request_head import HOST, is_met
from upstream_mock.asgi import CORRELATION_KEY, Headers
from upstream_mock.client import CLIENT_KEY, Client
from upstream_mock.connection_log import ClosedBy
from upstream_mock.correlation import NO_CORRELATION, correlation_of
from upstream_mock.counts import OutcomeCounts
from upstream_mock.scope_headers import SCOPE_KEYS
from upstream_mock.state import Mock
from upstream_mock.tcp_info import byte_counts, socket_of, unacknowledged
from upstream_mock.tls import finish_close


class Http1Protocol(PlainHttp1Protocol):
    """One connection to the data port; it is the `RawConnection` of its requests' client."""

    def __init__(self, *args: Any, mock: Mock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = mock.settings.keepalive_seconds  # type: ignore[assignment] # call_later takes floats
        self.peer = Client(self)
        self._faults = mock.faults
        self._requests = mock.requests
        self._connections = mock.connections
        self._log = mock.log
        self._handshakes = mock.handshakes
        self._most_requests = mock.settings.max_requests_per_connection
        self._closed_by: ClosedBy | None = None
        self._running: RequestResponseCycle | None = None
        self._run: OutcomeCounts | None = None
        self._began_ns = 0

    def connection_made(self, transport: Any) -> None:
        """Connection accepted; the TLS handshake, if any, is complete."""
        super().connection_made(transport)
        self._record = self._connections.opened(self._handshakes.add(transport))
        self._socket = socket_of(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._hosts: list[bytes] = []
        self._expectations: list[bytes] = []
        if not self._record.first_byte_ns:
            self._record.first_byte_ns = monotonic_ns()
        self.scope[CLIENT_KEY] = self.peer  # type: ignore[literal-required] # a key of our own

    def on_header(self, name: bytes, value: bytes) -> None:
        # uvicorn's method word for word, since calling it would cost more than all of this; then the mock's own part.
        name = name.lower()
        if name == b"expect":
            self._expectations.append(value)
            self.expect_100_continue |= value.lower() == b"100-continue"
        elif name == b"host":
            self._hosts.append(value)
        self.headers.append((name, value))
        if (key := SCOPE_KEYS.get(name)) is not None:
            self.scope.setdefault(key, []).append((name, value))  # type: ignore[misc]

    def on_headers_complete(self) -> None:
        if not HOST.fullmatch(b"\n".join(self._hosts)) and (self._hosts or self.parser.get_http_version() != "1.0"):
            self.refuse(400)
        elif not all(map(is_met, self._expectations)):
            self.refuse(417)
        if self.refusing:
            raise ValueError("not to be answered by the app")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # Its last piece may have paused the reading, and then the client could leave unseen.
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # A pipelined request comes here only when the one before it was answered: one runs at a time.
        self._connections.request(self._record)
        headers: Headers | None = cycle.scope.get(CORRELATION_KEY)  # type: ignore[assignment]
        self._correlation = correlation_of(headers) if headers else NO_CORRELATION
        self._run = self._requests.begin(self._correlation[0])
        self._running = cycle
        self._began_ns = monotonic_ns()
        if self._most_requests is not None and self._record.carried >= self._most_requests:
            cycle.keep_alive = False  # uvicorn then sends `Connection: close`, and closes
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The app has sent its last byte; if the client has closed already, it was not written."""
        last = self._running is not None and not self._running.keep_alive
        self._finish(completed=self._closed_by is None)
        super().on_response_complete()
        if last:  # uvicorn has closed
            self._closed_by = self._closed_by or "server"
            self._finish_close()

    def eof_received(self) -> None:
        """The client closed its side; uvicorn then closes ours, answered or not."""
        self._closed_by = self._closed_by or "client"

    def timeout_keep_alive_handler(self) -> None:
        self._closed_by = self._closed_by or "server-idle"
        super().timeout_keep_alive_handler()
        self._finish_close()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn forgets its timer when a connection is reset, which would keep the connection in memory till it fires.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._running is not None:
            # uvicorn marks only the newest request as disconnected, which may be one in the pipeline.
            self._running.disconnected = True
            self._finish(completed=False)
        if self._record.tls is None:  # with TLS the socket is closed by now
            self._record.bytes_in, self._record.bytes_out = byte_counts(self._socket)
        self._connections.closed(self._record, self._closed_by or self._guess_closed_by(exc))
        self.peer.leave()

    def shutdown(self) -> None:
        """The server ends, and an idle connection with it; no fault delays a request any longer."""
        self._faults.drain()
        idle = self.cycle is None or self.cycle.response_complete
        super().shutdown()
        if idle:
            self._closed_by = self._closed_by or "server"
            self._finish_close()

    def end(self) -> None:
        """What came was not HTTP, and the answers before it are out."""
        self._closed_by = self._closed_by or "server"
        super().end()

    @property
    def carried(self) -> int:
        return self._record.carried

    @property
    def body_due(self) -> bool:
        cycle = self._running
        return cycle is not None and cycle.more_body and not cycle.waiting_for_100_continue

    @property
    def unsent(self) -> int:
        """Bytes in the transport's buffer and, on Linux, in the kernel's."""
        unsent = 0
        with contextlib.suppress(AttributeError, OSError):  # closed meanwhile, or a system that does not report it
            unsent = self.transport.get_write_buffer_size()
            unsent += unacknowledged(self._socket)
        return unsent

    async def write(self, data: bytes) -> None:
        if self._running is not None:
            self.transport.write(data)
            await self.flow.drain()

    def answered(self, *, close: bool) -> None:
        # What uvicorn does after an answer's last byte.
        cycle = self._running
        if cycle is not None:
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
            cycle.keep_alive = cycle.keep_alive and not close
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()

    def answered_early(self) -> None:
        # Discard further input first, so that no pipelined request is started.
        self.refusing = self.ended = True
        self.pipeline.clear()
        self.answered(close=False)
        self._closed_by = self._closed_by or "server"
        if self.transport.can_write_eof() and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # reset by the client, which the loop has not noticed yet
                self.transport.write_eof()

    def cut(self, *, reset: bool) -> None:
        # uvicorn takes the client for gone, so it neither answers in the app's place nor logs that it did not answer.
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
        self.transport.close()
        self._finish_close()

    def _finish_close(self) -> None:
        if self._record.tls is not None:
            finish_close(self.loop, self.transport, self._socket)

    def _guess_closed_by(self, exc: Exception | None) -> ClosedBy:
        if exc is not None:
            return "client-reset"
        # Wherever we close, it is noted; what is left is what uvicorn closes by itself and, under TLS, a client's FIN,
        # which is not reported.
        return "server" if self._record.tls is None else "client"

    def _finish(self, *, completed: bool, faulted: bool = False) -> None:
        if self._running is not None:
            self._requests.end(self._run, completed=completed, faulted=faulted)
            if self._log is not None:
                self._log.add(
                    self._running.scope,
                    self._correlation,
                    self._record.number,
                    self._began_ns,
                    completed=completed,
                    faulted=faulted,
                    executed=not self.peer.unserved,
                )
            self.peer.unserved = False
            self._running = self._run = None
