"""httpx as the seeds advise it, and its successor httpx2: one shared AsyncClient with limits, streamed through.

What everybody's app has: `AsyncClient.send(request, stream=True)` on the library's own transport and pool. Only what a
forwarding proxy must not have is left out: redirects, cookies, proxies of the environment, headers of the client.

Traps (httpx 0.28.1, httpx2 2.16.2): a Request without `stream` invents a Host; the method is uppercased unless it is
set afterwards; default headers come only from `build_request`; the target extension is taken byte for byte, and h11
refuses bytes above 0x7e in it.
"""

from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import httpcore
import httpx

from poolwatch.monitor import Monitor
from proxy.settings import Settings

from .httpcore_pool import PoolClient, Received
from .interface import Outbound
from .transport import no_cookies, socket_options, ssl_context


class HttpxClient(PoolClient):
    """The shared `AsyncClient` of one worker. `library` is httpx, or httpx2 with `core` httpcore2."""

    def __init__(
        self, settings: Settings, watch: Monitor, library: ModuleType = httpx, core: ModuleType = httpcore
    ) -> None:
        self._lib: Any = library
        self._body = _body_type(library)
        self._no_body = _no_body(library)
        super().__init__(core, library, settings, watch)
        self.errors.caught += (self._lib.TransportError,)
        self._url = self._lib.URL(self._origin.url)

    def _open_pool(self) -> Any:
        settings, library = self._settings, self._lib
        transport = library.AsyncHTTPTransport(
            verify=ssl_context(settings) or False,
            trust_env=False,
            http2=self.http2,
            socket_options=socket_options(settings) or None,
            limits=library.Limits(
                max_connections=settings.max_connections,
                max_keepalive_connections=settings.keepalive_connections,
                keepalive_expiry=settings.keepalive_expiry_seconds,
            ),
        )
        # no parameter leads to the pool's `network_backend`: it is set before the first connection
        transport._pool._network_backend = self.backend
        self._client = library.AsyncClient(
            transport=transport, cookies=no_cookies(), follow_redirects=False, trust_env=False
        )
        return transport._pool

    async def _send(self, outbound: Outbound, content: Any, extensions: dict[str, Any]) -> Received:
        library = self._lib
        stream = self._no_body if content is None else self._body(content)
        request = library.Request("GET", self._url, headers=outbound.headers, stream=stream, extensions=extensions)
        request.method = outbound.method
        response = await self._client.send(request, stream=True)
        return response, response.status_code, response.headers.raw

    def raw_pieces(self, response: Any) -> AsyncIterator[bytes]:
        # not aiter_raw(), which gives the connection to a waiting request at its end: before it is known that nothing
        # came behind the answer, and where a cancelled task loses the slot
        return aiter(response.stream)

    def of_the_pool(self, error: Exception) -> Exception:
        """Return the pool's own error behind one of httpx's."""
        cause = error.__cause__
        return cause if isinstance(cause, Exception) and isinstance(error, self._lib.TransportError) else error

    async def _close(self) -> None:
        await self._client.aclose()


def httpx2_client(settings: Settings, watch: Monitor) -> HttpxClient:
    """Return the same by httpx2, which is imported only where it is used."""
    import httpcore2
    import httpx2

    return HttpxClient(settings, watch, httpx2, httpcore2)


def _body_type(library: Any) -> Callable[[Any], Any]:
    """Return a request's stream as this library wants it: its own base class, asked for nothing but the iteration."""

    class Body(library.AsyncByteStream):  # type: ignore[misc] # of httpx or of httpx2
        def __init__(self, content: Any) -> None:
            self._content = content

        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(self._content)

    return Body


def _no_body(library: Any) -> Any:
    """Return an empty stream, which is not the same as no stream: without one httpx adds headers."""

    class NoBody(library.AsyncByteStream):  # type: ignore[misc] # of httpx or of httpx2
        async def __aiter__(self) -> AsyncIterator[bytes]:
            return
            yield b""

    return NoBody()
