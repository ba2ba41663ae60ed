"""What httpx and httpx2 are made of: the pool of httpcore or httpcore2, asked directly.

httpx's AsyncClient adds to this pool what a proxy must not have (redirects, cookies, environment proxies, decoding,
invented headers); its limits, time-outs and errors are the pool's. The two libraries are twins: one class for both.
"""

import importlib.util
import socket
from collections.abc import AsyncIterator
from typing import Any

import h11

from proxy.errors import ProxyError
from proxy.forwarding import Outbound
from proxy.settings import Settings
from proxy.watch import PoolWatch, current

from .httpcore_backend import WatchedBackend
from .surplus import has_surplus
from .upstream import origin, socket_options, ssl_context, unsendable
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
        self._no_h2 = settings.http2 and not has_h2
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
            http2=settings.http2 and has_h2,
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
        self.errors = (core.TimeoutException, core.NetworkError, core.ProtocolError, h11.LocalProtocolError)
        self.calls = 0
        self._wedge = Wedge(name, settings.max_connections, settings.pool_timeout_seconds, self._lost_slots)

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "CoreAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        core = self._core
        url = core.URL(scheme=self._scheme, host=self._host, port=self._port, target=outbound.target)
        request = core.Request(
            outbound.method, url, headers=outbound.headers, content=body, extensions=self._extensions
        )
        self.calls += 1
        try:
            return CoreAnswer(self, await self._pool.handle_async_request(request))
        except BaseException as error:
            self.calls -= 1
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
                code = "upstream_closed" if _was_closed(error) else "upstream_protocol_error"
            case h11.LocalProtocolError():
                return ProxyError("bad_request", "the body is not as long as its Content-Length says")
            case core.LocalProtocolError():
                return unsendable(self._name, "this request as HTTP/1.1")
            case _:
                code = "internal_error"
        return ProxyError(code)

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {self._core.__name__: self._core.__version__}

    def unsupported(self) -> dict[str, str]:
        """Return a sentence for each variable that is set and cannot be honoured."""
        if self._no_h2:
            return {"PROXY_HTTP2": f"{self._name} needs the package h2 for HTTP/2; HTTP/1.1 is spoken instead."}
        return {}

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

    def _lost_slots(self) -> int:
        return lost_slots(repr(self._pool), self.calls)

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        self._wedge.end()
        await self._pool.aclose()


class CoreAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, client: CoreClient, response: Any) -> None:
        self._client = client
        self._response = response
        self._connection = response.extensions.get("network_stream")
        self._exchange = current.get()
        self._open = True
        self.status: int = response.status
        self.headers: list[tuple[bytes, bytes]] = response.headers

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        try:
            async for chunk in self._response.stream:
                yield chunk
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
        if self._connection is not None:
            self._connection.busy = False


def _is_dns(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, socket.gaierror):
            return True
        error = error.__cause__ or error.__context__
    return False


def _was_closed(error: Exception) -> bool:
    # httpcore tells "closed" from "not HTTP" by its text alone
    return str(error).startswith(("Server disconnected", "peer closed connection"))
