"""What httpx, httpx2 and httpcore have in common: a pool of httpcore or httpcore2, its time-outs, its errors.

httpx's AsyncClient and httpx2's keep their connections in such a pool; httpcore's is the same pool, called directly.
"""

import asyncio
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any, Final

import anyio

from poolwatch.monitor import Monitor
from poolwatch.network import Connections, WatchedAsyncBackend
from poolwatch.trace import current
from proxy.clients.cancellation import AnyioScope, Scope
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.settings import Settings

from .httpcore_backend import ForwardingBackend
from .httpcore_errors import PoolErrors, was_reset_at_once
from .httpcore_http2 import Call, current_call, no_http2_because
from .lost_slots import Loss, LostSlots, lost_slots
from .transport import NEEDS_HTTPS, origin
from .tuned_backend import TunedBackend

CONNECTING: Final[dict[str, object]] = {"state": "connecting", "age_seconds": None, "requests": 0}

Received = tuple[Any, int, list[tuple[bytes, bytes]]]
"""The library's own response with its body unread, its status, its headers as they came."""


class PoolClient:
    """The shared pool of one worker; a subclass makes the pool and sends by it.

    `core` is the module httpcore or httpcore2, `library` the module that people know (httpx, httpx2, httpcore). `calls`
    are requests whose answers are not closed yet.
    """

    def __init__(self, core: Any, library: ModuleType, settings: Settings, watch: Monitor) -> None:
        self.core = core
        self._library = library
        self._name = library.__name__
        self._settings = settings
        self._origin = origin(settings)
        self._no_http2_because = no_http2_because(self._name, core) if settings.http2 else ""
        self.http2 = settings.http2 and self._origin.secure and not self._no_http2_because
        self._connections = Connections(watch)
        self.backend = self._open_backend()
        self.pool: Any = self._open_pool()
        self._extensions = {
            "timeout": {
                "connect": settings.connect_timeout_seconds,
                "read": settings.read_timeout_seconds,
                "write": settings.write_timeout_seconds,
                "pool": settings.pool_timeout_seconds,
            }
        }
        self.errors = PoolErrors(core, self._name, http2=self.http2)
        self.calls = 0
        self._lost = LostSlots(self._name, settings.max_connections, lambda: lost_slots(self.pool, self.calls))

    def _open_backend(self) -> Any:
        settings, watched = self._settings, WatchedAsyncBackend(self.core.AnyIOBackend(), self._connections)
        max_age = settings.max_connection_age_seconds
        if settings.tuned:
            return TunedBackend(watched, max_age, self.core.WriteError)
        plain = max_age is None and settings.queue == "client" and not self.http2
        return watched if plain else ForwardingBackend(watched, max_age)

    def _open_pool(self) -> Any:
        """Return the pool, on `self.backend`."""
        raise NotImplementedError

    async def _send(self, outbound: Outbound, content: Any, extensions: dict[str, Any]) -> Received:
        """Send and return the library's response, its body unread. May raise what `errors` maps."""
        raise NotImplementedError

    def raw_pieces(self, response: Any) -> AsyncIterator[bytes]:
        """Return the response's body as it comes, nothing decoded."""
        raise NotImplementedError

    async def _close(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "PoolAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        self.calls += 1
        call = Call(self.pool, self._settings, current.get()) if self.http2 else None
        try:
            if call is None:
                return PoolAnswer(
                    self, await self._send(outbound, body, {**self._extensions, "target": outbound.target})
                )
            return await self._send_in_stream(call, outbound, body)
        except BaseException as error:
            self.calls -= 1
            if isinstance(error, self.errors.caught):
                raise self.proxy_error(error) from error
            if was_reset_at_once(error):
                raise ProxyError("upstream_reset") from error
            raise

    async def _send_in_stream(self, call: Call, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "PoolAnswer":
        """Send where the connection may speak HTTP/2, with time-outs for the stream."""
        current_call.set(call)
        extensions = {**self._extensions, "target": outbound.target, "trace": call.note_event}
        content = call.upload(body) if body is not None else None
        answer = PoolAnswer(self, await call.within_time(lambda: self._send(outbound, content, extensions)), call)
        if call.trace is not None:
            call.trace.head_received()
        return answer

    def proxy_error(self, error: Exception) -> ProxyError:
        """Map what the pool raised to a code."""
        error = self.of_the_pool(error)
        if isinstance(error, self.core.PoolTimeout):
            self._lost.look()
        return self.errors.proxy_error(error)

    def of_the_pool(self, error: Exception) -> Exception:
        """Return the pool's own error behind one of the library's."""
        return error

    def cancel_scope(self, _loop: asyncio.AbstractEventLoop) -> Scope:
        """Return anyio's: a pool of httpcore's loses slots to any other."""
        return AnyioScope()

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {module.__name__: module.__version__ for module in (self._library, self.core)}

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        if self._no_http2_because:
            return {"PROXY_HTTP2": self._no_http2_because}
        settings = self._settings
        if not settings.http2:
            return {}
        if not self._origin.secure:
            return {"PROXY_HTTP2": NEEDS_HTTPS}
        sentences = {}
        if settings.queue == "client":
            sentences["PROXY_MAX_CONNECTIONS"] = (
                "Over HTTP/2 one connection carries up to 100 requests at a time, or what the upstream allows, and "
                "`active` counts requests; only PROXY_QUEUE=gate holds requests to this number."
            )
        if settings.max_connection_age_seconds is not None:
            sentences["PROXY_MAX_CONNECTION_AGE_SECONDS"] = (
                f"{self._name} does not look at the age of a connection that speaks HTTP/2."
            )
        return sentences

    def connections(self) -> list[dict[str, object]]:
        """Return an entry for each connection; one that is only being opened has no age yet."""
        opening = sum(connection.info() == "CONNECTING" for connection in self.pool.connections)
        return self._connections.entries() + [CONNECTING] * opening

    def loss(self) -> Loss | None:
        """Return the slots of the pool that are taken though no request holds them, None if there are none."""
        return self._lost.look()

    async def next_piece(self, call: Call, pieces: AsyncIterator[bytes]) -> bytes | None:
        """Return the next piece of a stream's answer, None at its end."""
        with anyio.move_on_after(self._settings.read_timeout_seconds):
            return await anext(pieces, None)
        call.give_up_silent()
        raise ProxyError("upstream_read_timeout")

    async def pieces_in_time(self, call: Call, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces of a stream's answer, each within the read time-out."""
        while (piece := await self.next_piece(call, pieces)) is not None:
            yield piece

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._close()


class PoolAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, client: PoolClient, received: Received, call: Call | None = None) -> None:
        response, status, headers = received
        self._client = client
        self._response = response
        self._connection = response.extensions.get("network_stream")
        self._trace = current.get()
        self._call = call if call is not None and call.stream is not None and call.stream.multiplexed else None
        self._open = True
        self.status = status
        self.headers = headers

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        try:
            pieces = self._client.raw_pieces(self._response)
            async for piece in pieces if self._call is None else self._client.pieces_in_time(self._call, pieces):
                yield piece
        except self._client.errors.caught as error:
            raise self._client.proxy_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end or more came than belongs to it."""
        if self._open:
            self._open = False
            if self._trace is not None:
                self._trace.released()  # before the next request has the connection
            try:
                if self._connection is not None and is_used_up(self._response):
                    await self._connection.aclose()
                await self._response.aclose()
            finally:
                self._client.calls -= 1


def is_used_up(response: Any) -> bool:
    """Whether bytes came behind an HTTP/1.1 answer, or the connection's end with it.

    httpcore (1.0.9) and httpcore2 (2.16.2) keep bytes and read them as the answer to the next request on that
    connection, which is another request's; they take a connection for open whose end was an answer's end. Such a
    connection must not be used again. No public name leads to this. Where the private ones are gone the answer is no,
    and a test fails.
    """
    stream = response.stream
    for name in ("_stream", "_httpcore_stream", "_stream"):  # httpx wraps the pool's stream twice
        stream = getattr(stream, name, stream)
    state = getattr(getattr(stream, "_connection", None), "_h11_state", None)
    return state is not None and any(state.trailing_data)
