"""HTTP/2 on the data port: uvicorn's own protocol with the mock's counts and logs, as http1.py for HTTP/1.1.

uvicorn speaks HTTP/2 through zttp, so server, loop and app stay the same. It relies on inner methods of the
pinned uvicorn: `handle_request`, `handle_rst_stream`, `on_response_complete`, `_close_connection`.
"""

import asyncio
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, cast

from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle, ZttpH2Protocol

from upstream_mock.asgi import CORRELATION_KEY, Scope
from upstream_mock.client import CLIENT_KEY, Client
from upstream_mock.connection_log import ClosedBy
from upstream_mock.correlation import Correlation, correlation_of
from upstream_mock.counts import OutcomeCounts
from upstream_mock.http1 import Http1Protocol
from upstream_mock.scope_headers import collect_headers
from upstream_mock.state import Mock
from upstream_mock.tcp_info import socket_of
from upstream_mock.tls import finish_close

NO_ERROR, REFUSED_STREAM = 0x0, 0x7
"""Error codes, RFC 9113 section 7. A refused stream was not worked on, so its request may be sent again."""


@dataclass(slots=True)
class RunningStream:
    """A stream whose answer is not completely written."""

    cycle: RequestResponseCycle
    correlation: Correlation
    run: OutcomeCounts | None
    client: Client
    began_ns: int


class Http2Protocol(ZttpH2Protocol):
    """One HTTP/2 connection to the data port; many requests run on it at a time."""

    def __init__(self, *args: Any, mock: Mock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = mock.settings.keepalive_seconds  # type: ignore[assignment] # call_later takes floats
        self._requests = mock.requests
        self._connections = mock.connections
        self._log = mock.log
        self._handshakes = mock.handshakes
        self._most_requests = mock.settings.max_requests_per_connection
        self._running: dict[int, RunningStream] = {}
        self._written: dict[int, RunningStream] = {}  # the app is done, the client's window is not
        self._retiring = False
        self._closed_by: ClosedBy | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._record = self._connections.opened(self._handshakes.add(transport))
        self._socket = socket_of(transport)

    def data_received(self, data: bytes) -> None:
        """Frames; they may open the window that an answer waits for."""
        self._record.first_byte_ns = self._record.first_byte_ns or monotonic_ns()
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
        number = event.stream_id
        if self._retiring:
            self.conn.stream(number).reset(REFUSED_STREAM)
            return
        super().handle_request(event)
        # The app's task was made, but has not run yet.
        cycle, client = self.cycles[number], Client()
        scope = cast("Scope", cycle.scope)  # which has keys of our own
        scope[CLIENT_KEY] = client
        self._connections.request(self._record)
        collect_headers(scope)
        correlation = correlation_of(scope.get(CORRELATION_KEY, ()))
        self._running[number] = RunningStream(
            cycle, correlation, self._requests.begin(correlation[0]), client, monotonic_ns()
        )
        if self._most_requests is not None and self._record.carried >= self._most_requests:
            # What is running is answered. After GOAWAY the client sends nothing more here and connects anew.
            self._retiring = self.shutdown_requested = True
            self.conn.close(NO_ERROR, number)

    def on_response_complete(self, stream_id: int) -> None:
        """The app has sent its last byte, or given up."""
        running = self._running.pop(stream_id, None)
        if running is not None:
            done = running.cycle.response_complete and self._closed_by is None
            if done and running.cycle.stream.pending_bytes:
                self._written[stream_id] = running
            else:
                self._finish(running, completed=done)
        super().on_response_complete(stream_id)

    def handle_rst_stream(self, event: Any) -> None:
        self._leave(event.stream_id)
        super().handle_rst_stream(event)

    def eof_received(self) -> None:
        """The client closed its side; the loop then closes ours."""
        self._closed_by = self._closed_by or "client"

    def timeout_keep_alive_handler(self) -> None:
        self._closed_by = self._closed_by or "server-idle"
        super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        self._retiring = True
        super().shutdown()

    def _close_connection(self) -> None:
        if self._written and self._closed_by is None:
            return  # uvicorn would cut the answer; data_received comes back here when it is out
        # Not retiring: the client has sent GOAWAY.
        self._closed_by = self._closed_by or ("server" if self._retiring else "client")
        super()._close_connection()
        finish_close(self.loop, self.transport, self._socket)

    def connection_lost(self, exc: Exception | None) -> None:
        # Wherever we close, it is noted; under TLS a client's FIN is not reported.
        self._closed_by = self._closed_by or ("client" if exc is None else "client-reset")
        super().connection_lost(exc)
        for number in (*self._running, *self._written):
            self._leave(number)
        self._connections.closed(self._record, self._closed_by)

    def _leave(self, number: int) -> None:
        running = self._running.pop(number, None) or self._written.pop(number, None)
        if running is not None:
            running.client.leave()
            self._finish(running, completed=False)

    def _finish(self, running: RunningStream, *, completed: bool) -> None:
        self._requests.end(running.run, completed=completed)
        if self._log is not None:
            self._log.add(
                running.cycle.scope,
                running.correlation,
                self._record.number,
                running.began_ns,
                completed=completed,
                executed=not running.client.unserved,
            )


class AlpnProtocol(asyncio.Protocol):
    """The protocol that the client chose in the TLS handshake (ALPN): HTTP/2, or HTTP/1.1 if it chose none."""

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def connection_made(self, transport: Any) -> None:
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = (Http2Protocol if chosen == "h2" else Http1Protocol)(**self._arguments)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
