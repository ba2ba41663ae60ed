"""HTTP/2 on httpcore's and httpcore2's pools: many requests on one connection, each on a stream of its own.

What the libraries (1.0.9, 2.16.2) leave out is done here: a stream that is given up is reset, else the upstream goes on
sending and what is not read uses up the window of the whole connection; and time-outs are each stream's own, else one
slow answer would end all the others.

Private names that this module touches, all of them: `_connection` of a pool's connection, `_network_stream`,
`_h2_state`, `_events`, `_write_outgoing_data` and `_connection_error` of an HTTP/2 connection.
"""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, Protocol

import anyio

from poolwatch.trace import RequestTrace, current
from proxy.errors import ProxyError
from proxy.settings import Settings

_CANCEL: Final = 8
"""The error code of a stream that is no longer wanted, RFC 9113 section 7."""

current_call: Final[ContextVar["Call | None"]] = ContextVar("call", default=None)
"""The call of the running task, where HTTP/2 is allowed."""


def call_of_task() -> "Call | None":
    """Return the running task's call; not an older one's, in the context that this task began with."""
    call = current_call.get()
    return call if call is not None and call.trace is current.get() else None


PRIVATE_NAMES: Final = ("_network_stream", "_h2_state", "_events", "_write_outgoing_data", "_connection_error")


def missing_private_names(core: Any) -> list[str]:
    """Return the private names that are needed here and that this httpcore's HTTP/2 connection lacks."""
    try:
        connection = core.AsyncHTTP2Connection(core.Origin(b"https", b"nowhere", 443), stream=None)
    except TypeError:
        return list(PRIVATE_NAMES)
    return [name for name in PRIVATE_NAMES if not hasattr(connection, name)]


def no_http2_because(name: str, core: Any) -> str:
    """Return why a library cannot speak HTTP/2 here, nothing if it can."""
    if importlib.util.find_spec("h2") is None:
        return f"{name} needs the package h2 for HTTP/2; HTTP/1.1 is spoken instead."
    if missing := missing_private_names(core):
        return (
            f"{core.__name__} {core.__version__} has no {', '.join(missing)}, without which no stream can be reset; "
            "HTTP/1.1 is spoken instead."
        )
    return ""


class Carrier(Protocol):
    """A connection that a call has joined."""

    multiplexed: bool
    read_at: float


class Call:
    """One request's call into the pool. It learns by itself whether it is a stream of an HTTP/2 connection."""

    def __init__(self, pool: Any, settings: Settings, trace: RequestTrace | None) -> None:
        self.stream: Carrier | None = None
        self.trace = trace
        self.moved_at = 0.0
        self._pool = pool
        self._settings = settings
        self._stream_id = 0
        self._request: Any = None
        self._upload: Http2Upload | None = None

    def joined(self, stream: Carrier) -> None:
        """Note that it has its place on a connection."""
        self.stream = stream
        self.moved()

    def wrote(self) -> None:
        """Note that its task has written frames: once its body is sent they are other streams' or for windows."""
        if self._upload is not None and not self._upload.ended:
            self.moved()

    def moved(self) -> None:
        """Note that something was sent for it."""
        self.moved_at = asyncio.get_running_loop().time()

    def upload(self, body: AsyncIterator[bytes]) -> "Http2Upload":
        """Return the body as it is to be given to the pool."""
        self._upload = Http2Upload(body, self.moved)
        return self._upload

    async def within_time(self, send: Callable[[], Any]) -> Any:
        """Return what `send` returns. Raises ProxyError if a stream, or its upstream, was not there in time."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        code = ""
        timer: asyncio.TimerHandle | None = None

        def look() -> None:
            nonlocal code, timer
            since, patience, code = self._now_waits_for(began)
            left = since + patience - loop.time()
            if left <= 0:
                scope.cancel()
            else:
                timer = loop.call_later(left, look)

        with anyio.CancelScope() as scope:
            settings = self._settings
            patience = (settings.pool_timeout_seconds, settings.read_timeout_seconds, settings.write_timeout_seconds)
            timer = loop.call_later(min(patience), look)
            try:
                return await send()
            finally:
                timer.cancel()
        self.give_up_silent()
        raise ProxyError(code)

    def _now_waits_for(self, began: float) -> tuple[float, float, str]:
        """Return since when it waits, how long it may, and the error if that is too long."""
        now = asyncio.get_running_loop().time()
        settings = self._settings
        if self.stream is None:
            opening = self.trace is not None and self.trace.granted and settings.queue == "client"
            if opening:  # the library has a time-out for that
                return now, settings.connect_timeout_seconds, ""
            # behind another's connecting, at the longest, and then for a stream
            return began, settings.pool_timeout_seconds + settings.connect_timeout_seconds, "pool_exhausted"
        if not self.stream.multiplexed or (self._upload is not None and self._upload.asking):
            return now, settings.read_timeout_seconds, ""
        if self._upload is not None and not self._upload.ended:
            return self.moved_at, settings.write_timeout_seconds, "upstream_write_timeout"
        return self.moved_at, settings.read_timeout_seconds, "upstream_read_timeout"

    def give_up_silent(self) -> None:
        """Let a connection on which nothing came for the read time-out take no further stream: it may be dead."""
        stream, connection = self.stream, self._connection()
        if stream is None or connection is None or not stream.multiplexed:
            return
        silent = asyncio.get_running_loop().time() - stream.read_at
        if silent >= self._settings.read_timeout_seconds * 0.9:
            connection._connection_error = True

    async def note_event(self, name: str, info: dict[str, Any]) -> None:
        """Take what the pool tells of a request on its way: its public `trace` extension."""
        if name == "http2.send_request_headers.started":
            if self.trace is not None:
                # again: the pool found that the connection takes no more streams
                self.trace.head_sent(again=self._stream_id != 0)
            self._stream_id = info["stream_id"]
            self._request = info["request"]
        elif name == "http2.response_closed.started":
            await self._reset()

    async def _reset(self) -> None:
        """Tell the upstream that the rest of an answer is not wanted, if there is a rest."""
        connection = self._connection()
        if connection is None or not self._stream_id:
            return
        state = connection._h2_state
        unread = 0
        for event in connection._events.get(self._stream_id, ()):
            unread += getattr(event, "flow_controlled_length", None) or 0
        stream = state.streams.get(self._stream_id)
        with suppress(Exception):  # a connection that is gone needs none of this
            if unread:
                state.acknowledge_received_data(unread, self._stream_id)
            if stream is not None and not stream.closed:
                state.reset_stream(self._stream_id, _CANCEL)
            with anyio.CancelScope(shield=True):
                await connection._write_outgoing_data(self._request)

    def _connection(self) -> Any:
        """Return the pool's own object of the HTTP/2 connection. No public name leads there."""
        if self.stream is None or not self.stream.multiplexed:
            return None
        for each in self._pool.connections:
            inner = getattr(each, "_connection", None)
            if inner is not None and getattr(inner, "_network_stream", None) is self.stream:
                return inner
        return None


class Http2Upload:
    """A body that is sent once: the pool repeats a request that a connection did not take, and half of it is gone then.

    `asking`: the caller's next piece is waited for.
    """

    def __init__(self, body: AsyncIterator[bytes], moved: Callable[[], None]) -> None:
        self.asking = False
        self.ended = False
        self._body = body
        self._moved = moved
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise ProxyError("upstream_closed")
        self._begun = True
        self.asking = True
        async for chunk in self._body:
            self.asking = False
            self._moved()
            yield chunk
            self.asking = True
        self.asking = False
        self.ended = True
        self._moved()
