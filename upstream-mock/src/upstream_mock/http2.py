"""HTTP/2 on the data port: uvicorn's own protocol with the ledger, as protocol.py has it for HTTP/1.1.

uvicorn speaks HTTP/2 through zttp, so server, loop and app stay the same. It leans on inner methods of uvicorn, as the
pinned version has them: `handle_request`, `handle_rst_stream`, `on_response_complete`, `_close_connection`.
"""

import asyncio
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, cast

from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle, ZttpH2Protocol

from upstream_mock.asgi import CORRELATION_KEY, Scope
from upstream_mock.client import CLIENT_KEY, Client
from upstream_mock.connection_log import ClosedBy
from upstream_mock.correlation import Correlation, marks
from upstream_mock.counts import OutcomeCounts
from upstream_mock.http1 import Http1Protocol
from upstream_mock.scope_headers import collect_headers
from upstream_mock.state import Mock
from upstream_mock.tcp_info import socket_of
from upstream_mock.tls_close import close_without_waiting

NO_ERROR, REFUSED_STREAM = 0x0, 0x7
"""Error codes, RFC 9113 section 7. A refused stream was not worked on, so its request may be sent again."""


@dataclass(slots=True)
class RunningStream:
    """A stream whose answer is not out yet."""

    cycle: RequestResponseCycle
    marks: Correlation
    run: OutcomeCounts | None
    caller: Client
    began_ns: int


class Http2Protocol(ZttpH2Protocol):
    """One HTTP/2 connection to the data port; many requests of its caller run at a time."""

    def __init__(self, *args: Any, mock: Mock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = mock.settings.keepalive_seconds  # type: ignore[assignment] # call_later takes floats
        self._requests = mock.requests
        self._ledger = mock.connections
        self._log = mock.log
        self._handshakes = mock.handshakes
        self._most_requests = mock.settings.max_requests_per_connection
        self._exchanges: dict[int, RunningStream] = {}
        self._written: dict[int, RunningStream] = {}  # the app is done, the client's window is not
        self._retiring = False
        self._closed_by: ClosedBy | None = None

    def connection_made(self, transport: Any) -> None:
        """The hands are shaken, and HTTP/2 was agreed on."""
        super().connection_made(transport)
        self._entry = self._ledger.opened(self._handshakes.made(transport))
        self._socket = socket_of(transport)

    def data_received(self, data: bytes) -> None:
        """Frames; among them may be the room that an answer waits for."""
        self._entry.first_byte_ns = self._entry.first_byte_ns or monotonic_ns()
        super().data_received(data)
        if self.transport.is_closing():  # that was no HTTP/2
            self._closed_by = self._closed_by or "server"
        if self._written:
            for number, running in list(self._written.items()):
                if not running.cycle.stream.pending_bytes:
                    self._finish(self._written.pop(number), completed=self._closed_by is None)
            if not self.cycles and self.shutdown_requested:
                self._close_connection()

    def handle_request(self, event: Any) -> None:
        """A request; the app finds its caller in the scope."""
        number = event.stream_id
        if self._retiring:
            self.conn.stream(number).reset(REFUSED_STREAM)
            return
        super().handle_request(event)
        # The app's task was made, but has not run yet.
        cycle, caller = self.cycles[number], Client()
        scope = cast("Scope", cycle.scope)  # which has keys of our own
        scope[CLIENT_KEY] = caller
        self._ledger.request(self._entry)
        collect_headers(scope)
        marked = marks(scope.get(CORRELATION_KEY, ()))
        self._exchanges[number] = RunningStream(cycle, marked, self._requests.begin(marked[0]), caller, monotonic_ns())
        if self._most_requests is not None and self._entry.carried >= self._most_requests:
            # What is running is answered; the client is told that nothing after it will be, and comes anew.
            self._retiring = self.shutdown_requested = True
            self.conn.close(NO_ERROR, number)

    def on_response_complete(self, stream_id: int) -> None:
        """The app has given its last byte, or gave up."""
        running = self._exchanges.pop(stream_id, None)
        if running is not None:
            done = running.cycle.response_complete and self._closed_by is None
            if done and running.cycle.stream.pending_bytes:
                self._written[stream_id] = running
            else:
                self._finish(running, completed=done)
        super().on_response_complete(stream_id)

    def handle_rst_stream(self, event: Any) -> None:
        """The caller does not want this answer any more."""
        self._leave(event.stream_id)
        super().handle_rst_stream(event)

    def eof_received(self) -> None:
        """The client closed its side; the loop then closes ours."""
        self._closed_by = self._closed_by or "client"

    def timeout_keep_alive_handler(self) -> None:
        """Idle for too long."""
        self._closed_by = self._closed_by or "server-idle"
        super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """The server ends."""
        self._retiring = True
        super().shutdown()

    def _close_connection(self) -> None:
        if self._written and self._closed_by is None:
            return  # uvicorn would cut the answer; data_received comes back here when it is out
        # Not retiring: the client has said GOAWAY.
        self._closed_by = self._closed_by or ("server" if self._retiring else "client")
        super()._close_connection()
        close_without_waiting(self.loop, self.transport, self._socket, self._entry)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone: whoever works for this client stops."""
        # Where we close, we have said so; under TLS nobody tells us of a client's FIN.
        self._closed_by = self._closed_by or ("client" if exc is None else "client-reset")
        super().connection_lost(exc)
        for number in (*self._exchanges, *self._written):
            self._leave(number)
        self._ledger.closed(self._entry, self._closed_by)

    def _leave(self, number: int) -> None:
        running = self._exchanges.pop(number, None) or self._written.pop(number, None)
        if running is not None:
            running.caller.leave()
            self._finish(running, completed=False)

    def _finish(self, running: RunningStream, *, completed: bool) -> None:
        self._requests.end(running.run, completed=completed)
        if self._log is not None:
            self._log.add(
                running.cycle.scope,
                running.marks,
                self._entry.number,
                running.began_ns,
                completed=completed,
                executed=not running.caller.unserved,
            )


class AlpnProtocol(asyncio.Protocol):
    """Whichever protocol the client chose in the handshake: HTTP/2, or HTTP/1.1 if it said nothing."""

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def connection_made(self, transport: Any) -> None:
        """Hand the connection over."""
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = (Http2Protocol if chosen == "h2" else Http1Protocol)(**self._arguments)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
