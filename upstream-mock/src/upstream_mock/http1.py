"""uvicorn's HTTP/1.1 protocol with a ledger: the connections and requests of the data port, each counted once.

The counting is here and not in the app because only the protocol knows when an answer was written out and who hung
up. It leans on inner methods of uvicorn, as the pinned version has them: `_start_asgi_task`, `on_response_complete`,
`timeout_keep_alive_handler`, `_unset_keepalive_if_required`, and what `on_header` does.
"""

from time import monotonic_ns
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from upstream_mock.asgi import CORRELATION_KEY, Headers
from upstream_mock.client import CLIENT_KEY, Client
from upstream_mock.connection_log import ClosedBy
from upstream_mock.correlation import NO_CORRELATION, marks
from upstream_mock.counts import OutcomeCounts
from upstream_mock.raw_protocol import RawProtocol
from upstream_mock.scope_headers import PLACES
from upstream_mock.state import Mock
from upstream_mock.tcp_info import socket_of, traffic
from upstream_mock.tls_close import close_without_waiting


class Http1Protocol(RawProtocol):
    """One connection to the data port; to faults, which reach beneath HTTP, it is a `RawConnection`."""

    def __init__(self, *args: Any, mock: Mock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = mock.settings.keepalive_seconds  # type: ignore[assignment] # call_later takes floats
        self.caller = Client(self)
        self._faults = mock.faults
        self._requests = mock.requests
        self._ledger = mock.connections
        self._closed_by: ClosedBy | None = None
        self._running: RequestResponseCycle | None = None
        self._run: OutcomeCounts | None = None
        self._began_ns = 0
        self._log = mock.log
        self._handshakes = mock.handshakes
        self._most_requests = mock.settings.max_requests_per_connection

    def connection_made(self, transport: Any) -> None:
        """Accepted, and with TLS the hands are shaken."""
        super().connection_made(transport)
        self._entry = self._ledger.opened(self._handshakes.made(transport))
        self._socket = socket_of(transport)

    def on_message_begin(self) -> None:
        """A request begins to arrive; the app finds its caller in the scope."""
        super().on_message_begin()
        if not self._entry.first_byte_ns:
            self._entry.first_byte_ns = monotonic_ns()
        self.scope[CLIENT_KEY] = self.caller  # type: ignore[literal-required] # a key of our own

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn has it, word for word since another call would cost more than all of this; and put aside."""
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if (place := PLACES.get(name)) is not None:
            self.scope.setdefault(place, []).append((name, value))  # type: ignore[misc]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # A pipelined request comes here only when the one before it was answered: one runs at a time.
        self._ledger.request(self._entry)
        marked: Headers | None = cycle.scope.get(CORRELATION_KEY)  # type: ignore[assignment]
        self._marks = marks(marked) if marked else NO_CORRELATION
        self._run = self._requests.begin(self._marks[0])
        self._running = cycle
        self._began_ns = monotonic_ns()
        if self._most_requests is not None and self._entry.carried >= self._most_requests:
            cycle.keep_alive = False  # uvicorn says `Connection: close` then, and does so
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The app has given its last byte; to a client who has hung up already it was not written."""
        last = self._running is not None and not self._running.keep_alive
        self._finish(completed=self._closed_by is None)
        super().on_response_complete()
        if last:  # it has said so, and closed
            self._closed_by = self._closed_by or "server"
            close_without_waiting(self.loop, self.transport, self._socket, self._entry)

    def eof_received(self) -> None:
        """The client closed its side; uvicorn then closes ours, answered or not."""
        self._closed_by = self._closed_by or "client"

    def timeout_keep_alive_handler(self) -> None:
        """Idle for too long."""
        self._closed_by = self._closed_by or "server-idle"
        super().timeout_keep_alive_handler()
        close_without_waiting(self.loop, self.transport, self._socket, self._entry)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone: whoever works for this caller stops."""
        # uvicorn forgets its timer when a connection is reset, which would keep the connection in memory till it fires.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self._running is not None:
            # uvicorn says so to the newest request only, which may be one in the pipeline.
            self._running.disconnected = True
            self._finish(completed=False)
        if self._entry.tls is None:  # with TLS the socket is closed by now
            self._entry.bytes_in, self._entry.bytes_out = traffic(self._socket)
        self._ledger.closed(self._entry, self._closed_by or self._who_closed(exc))
        self.caller.leave()

    def shutdown(self) -> None:
        """The server ends, and an idle connection with it; no fault holds a request any longer."""
        self._faults.hurry()
        idle = self.cycle is None or self.cycle.response_complete
        super().shutdown()
        if idle:
            self._closed_by = self._closed_by or "server"
            close_without_waiting(self.loop, self.transport, self._socket, self._entry)

    def send_400_response(self, msg: str) -> None:
        """That was no HTTP; uvicorn says so and hangs up."""
        self._closed_by = self._closed_by or "server"
        super().send_400_response(msg)

    def _who_closed(self, exc: Exception | None) -> ClosedBy:
        if exc is not None:
            return "client-reset"
        # Where we close we have said so, but for what uvicorn closes by itself; under TLS, nobody tells of a client's
        # FIN.
        return "server" if self._entry.tls is None else "client"

    def _finish(self, *, completed: bool, faulted: bool = False) -> None:
        if self._running is not None:
            self._requests.end(self._run, completed=completed, faulted=faulted)
            if self._log is not None:
                self._log.add(
                    self._running.scope,
                    self._marks,
                    self._entry.number,
                    self._began_ns,
                    completed=completed,
                    faulted=faulted,
                    executed=not self.caller.unserved,
                )
            self.caller.unserved = False
            self._running = self._run = None
