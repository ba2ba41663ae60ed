"""aiohttp's pool, extended where it has no hook of its own.

The wait for a connection is timed apart from the connecting, no more idle connections are kept than allowed, old ones
are not used again, and what is opened and closed is counted.
"""

import asyncio
import socket
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError

from poolwatch.monitor import Monitor
from poolwatch.network import Connection as WatchedConnection
from poolwatch.network import Connections
from poolwatch.trace import RequestTrace, current
from proxy.errors import ProxyError
from proxy.settings import Settings

from .transport import socket_options, ssl_context

PRIVATE_NAMES: Final = {
    "_conns": ("PROXY_MAX_KEEPALIVE_CONNECTIONS", "as many connections are kept as there are."),
    "_release": ("PROXY_MAX_KEEPALIVE_CONNECTIONS", "as many connections are kept as there are."),
    "_factory": ("PROXY_READ_TIMEOUT_SECONDS", "a malformed body ends when its caller leaves; nothing is repeated."),
    "_create_connection": ("PROXY_CONNECT_TIMEOUT_SECONDS", "connecting ends with PROXY_POOL_TIMEOUT_SECONDS."),
    "_retry_connection": ("PROXY_RETRIES", "it may repeat a request once by itself."),
}
"""Those of a connector or a session that are touched, and what is lost without each."""


def missing_private_names(connector: aiohttp.BaseConnector, session: aiohttp.ClientSession) -> set[str]:
    """Return those of PRIVATE_NAMES that this aiohttp does not have; a class of ours that has one does not count."""
    theirs = vars(connector).keys() | set(dir(aiohttp.TCPConnector)) | set(dir(session))
    return PRIVATE_NAMES.keys() - theirs


class _Wait:
    """A request's wait for a connection, and then for the opening of one."""

    __slots__ = ("connecting", "deadline")

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.deadline = deadline
        self.connecting = False


_wait: ContextVar[_Wait] = ContextVar("wait")


class AnswerProtocol(ResponseHandler):
    """A connection of aiohttp's on which what is not HTTP ends the body that is being read, too.

    aiohttp reports it only to what waits for the next head, and drops the read time-out: the body would never end.
    `trace` is the request's whose answer comes next: it is told of the first bytes, of which aiohttp tells nothing.
    """

    trace: RequestTrace | None = None

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self.trace is not None:
            self.trace.responding()
            self.trace = None
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End a body that has no length by an error, if the connection ended by one: aiohttp takes it for whole."""
        body = getattr(self, "_payload", None)
        if exc is not None and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError(f"Response payload is not completed: {exc!r}"))
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Report an error to whatever reads."""
        body = getattr(self, "_payload", None)
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError(f"Response payload is not HTTP: {exc!r}"))


class WatchedConnector(aiohttp.TCPConnector):
    """aiohttp's pool. `connections` are those it has, whether held or idle."""

    def __init__(self, settings: Settings, watch: Monitor) -> None:
        self.connections = Connections(watch)
        self._known: dict[ResponseHandler, WatchedConnection] = {}
        self._traces: dict[ResponseHandler, RequestTrace] = {}
        self._closing: set[ResponseHandler] = set()
        self._settings = settings
        self._options = socket_options(settings)
        context = ssl_context(settings)
        super().__init__(
            limit=settings.max_connections,
            keepalive_timeout=settings.keepalive_expiry_seconds,
            ssl=context if context is not None else True,
            socket_factory=self._socket,
            timeout_ceil_threshold=3600,  # else time-outs above 5 s are rounded up to whole seconds
        )
        if "_factory" in vars(self):
            self._factory = partial(AnswerProtocol, loop=self._loop)  # type: ignore[assignment] # partial is invariant

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection for a request: a kept one, or a new one. Raises ProxyError when either took too long."""
        wait: _Wait | None = None
        try:
            async with asyncio.timeout(self._settings.pool_timeout_seconds) as deadline:
                wait = _Wait(deadline)
                _wait.set(wait)
                connection = await self._young(req, traces, timeout)
        except TimeoutError:
            late_connecting = wait is not None and wait.connecting
            raise ProxyError("upstream_connect_timeout" if late_connecting else "pool_exhausted") from None
        trace = current.get()
        if trace is not None:
            protocol = connection.protocol
            assert protocol is not None
            self._known[protocol].used_by(trace)
            self._traces[protocol] = trace
            if isinstance(protocol, AnswerProtocol):
                protocol.trace = trace
            if not req.body:
                trace.sent()
        return connection

    async def _young(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Connection:
        """Return a connection that is fit for one more request; others are closed."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None
            known = self._known.get(protocol) or self._opened(protocol)
            max_age = self._settings.max_connection_age_seconds
            too_old = max_age is not None and known.age_seconds > max_age
            # should_close: bytes came while it was idle, which would be read as the answer to this request
            if known.requests == 0 or not (too_old or protocol.should_close):
                return connection
            connection.close()

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """Open a connection. The wait for the pool ends here, and another time-out begins."""
        trace = current.get()
        wait = _wait.get()
        wait.connecting = True
        wait.deadline.reschedule(self._loop.time() + self._settings.connect_timeout_seconds)
        if trace is not None:
            trace.connecting()
        try:
            return await super()._create_connection(req, traces, timeout)
        finally:
            if trace is not None:
                trace.connected()

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """Take a connection back, and close it if as many as allowed are idle already."""
        trace = self._traces.pop(protocol, None)
        if isinstance(protocol, AnswerProtocol):
            protocol.trace = None
        if trace is not None and (trace.received or not should_close):  # one that failed before is the handler's
            trace.released()
        idle = sum(map(len, getattr(self, "_conns", {}).values()))
        closes = should_close or idle >= self._settings.keepalive_connections
        if (closes or protocol.should_close) and protocol.is_connected() and protocol in self._known:
            self._closing.add(protocol)
        super()._release(key, protocol, should_close=closes)

    def _opened(self, protocol: ResponseHandler) -> WatchedConnection:
        known = self._known[protocol] = self.connections.opened("", 0)
        closed = protocol.closed
        if closed is not None:
            closed.add_done_callback(lambda done: self._closed_again(protocol, done))
        else:
            self._forget(protocol)
        return known

    def _closed_again(self, protocol: ResponseHandler, done: "asyncio.Future[None]") -> None:
        if not done.cancelled():
            done.exception()  # else asyncio logs that it was never retrieved
        self._forget(protocol)

    def forget_all(self) -> None:
        """Count as closed what is closed with the pool; a connection that still has bytes to send reports it later."""
        for protocol in list(self._known):
            self._forget(protocol)

    def _forget(self, protocol: ResponseHandler) -> None:
        known = self._known.pop(protocol, None)
        if known is not None:
            expired = known.idle_seconds >= self._settings.keepalive_expiry_seconds
            known.ended = not (protocol in self._closing or expired or self.closed)
            self._closing.discard(protocol)
            known.closed()

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        for option in self._options:
            made.setsockopt(*option)
        return made
