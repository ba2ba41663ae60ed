"""What httpx and httpx2 are made of: the pool of httpcore or httpcore2, asked directly.

httpx's AsyncClient adds to this pool what a proxy must not have (redirects, cookies, environment proxies, decoding,
invented headers); its limits, time-outs and errors are the pool's. The two libraries are twins: one class for both.
"""

import asyncio
import importlib.util
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import h11

from proxy.clients.cancellation import AnyioScope, Scope
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError
from proxy.settings import Settings
from proxy.watch import PoolWatch, current

from .httpcore_backend import WatchedBackend
from .multiplex import Call
from .multiplex import call as current_call
from .surplus import has_surplus
from .upstream import NEEDS_HTTPS, origin, socket_options, ssl_context, unsendable
from .wedge import Wedge, lost_slots


class CoreClient:
    """The shared pool of one worker. `core` is the module httpcore or httpcore2; `name` is the library's for people.

    `calls` are the requests that its callers have not yet ended; `errors` are the pool's own.
    """

    def __init__(self, name: str, core: Any, settings: Settings, watch: PoolWatch) -> None:
        upstream = origin(settings)
        has_h2 = importlib.util.find_spec("h2") is not None
        self._name = name
        self._core = core
        self._settings = settings
        self._scheme = upstream.scheme.encode()
        self._host = upstream.host.encode()
        self._port = upstream.port
        self._secure = upstream.secure
        self._no_h2 = settings.http2 and not has_h2
        self._http2 = settings.http2 and has_h2 and upstream.secure
        self._backend = WatchedBackend(
            watch,
            core.AnyIOBackend(),
            max_age_seconds=settings.max_connection_age_seconds,
            write_error=core.WriteError,
        )
        self._pool = core.AsyncConnectionPool(
            ssl_context=ssl_context(settings),
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.keepalive_connections,
            keepalive_expiry=settings.keepalive_expiry_seconds,
            http2=self._http2,
            network_backend=self._backend,
            socket_options=socket_options(settings) or None,
        )
        self._extensions = {
            "timeout": {
                "connect": settings.connect_timeout_seconds,
                "read": settings.read_timeout_seconds,
                "write": settings.write_timeout_seconds,
                "pool": settings.pool_timeout_seconds,
            }
        }
        # the pool lets h11's own error through when a body is not as long as its Content-Length says
        self.errors: tuple[type[Exception], ...] = (
            core.TimeoutException,
            core.NetworkError,
            core.ProtocolError,
            h11.LocalProtocolError,
        )
        self._h2_errors: tuple[type[Exception], ...] = ()
        if self._http2:
            from h2.exceptions import H2Error

            self._h2_errors = (H2Error,)
            self.errors += self._h2_errors
        self.calls = 0
        self._wedge = Wedge(name, settings.max_connections, settings.pool_timeout_seconds, self._lost_slots)

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "CoreAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        core = self._core
        extensions: dict[str, Any] = self._extensions
        call = None
        content: Any = body
        if self._http2:
            call = Call(self._pool, self._settings, current.get())
            current_call.set(call)
            extensions = extensions | {"trace": call.trace}
            if body is not None:
                content = call.upload(body)
        url = core.URL(scheme=self._scheme, host=self._host, port=self._port, target=outbound.target)
        request = core.Request(outbound.method, url, headers=outbound.headers, content=content, extensions=extensions)
        self.calls += 1
        try:
            if call is None:
                return CoreAnswer(self, await self._pool.handle_async_request(request))
            answer = CoreAnswer(self, await call.within_time(lambda: self._pool.handle_async_request(request)), call)
            if call.exchange is not None:
                call.exchange.head_received()
            return answer
        except BaseException as error:
            self.calls -= 1
            if call is not None and call.stream is not None:
                call.stream.left(call)
            if isinstance(error, self.errors):
                raise self.proxy_error(error) from error
            raise

    def proxy_error(self, error: Exception) -> ProxyError:
        """Map what the pool raised to a code."""
        core = self._core
        match error:
            case core.PoolTimeout():
                self._wedge.suspect()
                code = "pool_exhausted"
            case core.ConnectTimeout():
                code = "upstream_connect_timeout"
            case core.ReadTimeout():
                code = "upstream_read_timeout"
            case core.WriteTimeout():
                code = "upstream_write_timeout"
            case core.ConnectError():
                code = "upstream_dns_error" if _is_dns(error) else "upstream_connect_error"
            case core.NetworkError():
                code = "upstream_reset"
            case core.RemoteProtocolError():
                code = _of_protocol(error)
            case h11.LocalProtocolError():
                return ProxyError("bad_request", "the body is not as long as its Content-Length says")
            case _ if isinstance(error, self._h2_errors):
                code = "upstream_protocol_error"
            case core.LocalProtocolError() if error.args and isinstance(error.args[0], self._h2_errors):
                reset = type(error.args[0]).__name__ == "StreamClosedError"
                code = "upstream_reset" if reset else "upstream_protocol_error"
            case core.LocalProtocolError():
                return unsendable(self._name, "this request as HTTP/1.1")
            case _:
                code = "internal_error"
        return ProxyError(code)

    def scope(self, _loop: asyncio.AbstractEventLoop) -> Scope:
        """Return anyio's: a pool of httpcore's loses slots to any other."""
        return AnyioScope()

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {self._core.__name__: self._core.__version__}

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        if self._no_h2:
            return {"PROXY_HTTP2": f"{self._name} needs the package h2 for HTTP/2; HTTP/1.1 is spoken instead."}
        settings = self._settings
        if not settings.http2:
            return {}
        if not self._secure:
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
        entries: list[dict[str, object]] = [
            {
                "state": "active" if stream.busy else "idle",
                "age_seconds": round(stream.age_seconds, 3),
                "requests": stream.requests,
            }
            for stream in self._backend.streams
        ]
        opening = sum(connection.info() == "CONNECTING" for connection in self._pool.connections)
        return entries + [{"state": "connecting", "age_seconds": None, "requests": 0} for _ in range(opening)]

    def wedged(self) -> str | None:
        """Return a sentence if slots of the pool stay taken though no request holds them, and none is left."""
        self._wedge.suspect()
        return self._wedge.sentence()

    async def next_piece(self, call: Call, pieces: AsyncIterator[bytes]) -> bytes | None:
        """Return the next piece of a stream's answer, None at its end."""
        with anyio.move_on_after(self._settings.read_timeout_seconds):
            return await anext(pieces, None)
        call.give_up_silent()
        raise ProxyError("upstream_read_timeout")

    def _lost_slots(self) -> int:
        return lost_slots(repr(self._pool), self.calls)

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        self._wedge.end()
        await self._pool.aclose()


class CoreAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, client: CoreClient, response: Any, call: Call | None = None) -> None:
        self._client = client
        self._response = response
        self._connection = response.extensions.get("network_stream")
        self._exchange = current.get()
        self._call = call if call is not None and call.stream is not None and call.stream.multiplexed else None
        self._open = True
        self.status: int = response.status
        self.headers: list[tuple[bytes, bytes]] = response.headers

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        try:
            if self._call is None:
                async for chunk in self._response.stream:
                    yield chunk
            else:
                pieces = aiter(self._response.stream)
                while (piece := await self._client.next_piece(self._call, pieces)) is not None:
                    yield piece
        except self._client.errors as error:
            raise self._client.proxy_error(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end or more came than belongs to it."""
        if self._open:
            self._open = False
            self._client.calls -= 1
            if self._exchange is not None:
                self._exchange.released()  # before the next request has the connection
            if self._connection is not None and has_surplus(self._response):
                await self._connection.aclose()
        await self._response.aclose()
        if self._connection is not None and self._call is None:
            self._connection.busy = False


def _is_dns(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, socket.gaierror):
            return True
        error = error.__cause__ or error.__context__
    return False


def _of_protocol(error: Exception) -> str:
    """Tell the ends of a connection or a stream from what is not HTTP: by text in HTTP/1.1, by events in HTTP/2."""
    event = type(error.args[0]).__name__ if error.args else ""
    if event == "ConnectionTerminated" or str(error).startswith(("Server disconnected", "peer closed connection")):
        return "upstream_closed"
    return "upstream_reset" if event == "StreamReset" else "upstream_protocol_error"
