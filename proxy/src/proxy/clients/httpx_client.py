"""httpx as the seeds advise it: one shared AsyncClient with pool limits, streamed through.

What a proxy does not want of a client is off: environment proxies, redirects, cookies, invented headers, decoding.
"""

from collections.abc import AsyncIterator
from http.cookiejar import CookieJar
from typing import Any

import httpcore
import httpx

from proxy.errors import from_httpx
from proxy.forwarding import Outbound
from proxy.settings import Settings
from proxy.watch import PoolWatch

from .httpcore_backend import WatchedBackend


class NullCookieJar(CookieJar):
    """Keeps nothing: a client shared by all users must not carry one user's cookies to another (httpx issue 2992)."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take no cookie out of an answer."""

    def add_cookie_header(self, request: Any) -> None:
        """Put no cookie into a request."""


class HttpxClient:
    """The shared client of one worker."""

    def __init__(self, settings: Settings, watch: PoolWatch) -> None:
        limits = httpx.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.keepalive_connections,
            keepalive_expiry=settings.keepalive_expiry_seconds,
        )
        timeout = httpx.Timeout(
            connect=settings.connect_timeout_seconds,
            read=settings.read_timeout_seconds,
            write=settings.write_timeout_seconds,
            pool=settings.pool_timeout_seconds,
        )
        transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        watch_pool(transport, watch)
        self._client = httpx.AsyncClient(
            transport=transport, timeout=timeout, trust_env=False, follow_redirects=False, cookies=NullCookieJar()
        )
        self._url = httpx.URL(settings.upstream_url)
        self._timeout = timeout.as_dict()

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> "HttpxAnswer":
        """Send a request and return when the answer's head is there. Raises ProxyError."""
        request = httpx.Request(
            outbound.method,
            self._url,
            headers=outbound.headers,
            stream=_Body(body) if body is not None else httpx.ByteStream(b""),
            extensions={"target": outbound.target, "timeout": self._timeout},
        )
        try:
            return HttpxAnswer(await self._client.send(request, stream=True))
        except httpx.HTTPError as error:
            raise from_httpx(error) from error

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""
        return {"httpx": httpx.__version__, "httpcore": httpcore.__version__}

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._client.aclose()


class HttpxAnswer:
    """An answer whose body has not been read yet."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = response.headers.raw

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body's bytes as they come, nothing decoded. Raises ProxyError if they stop too early."""
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except httpx.HTTPError as error:
            raise from_httpx(error) from error

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        await self._response.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


def watch_pool(transport: httpx.AsyncHTTPTransport, watch: PoolWatch) -> None:
    """Put the watch under a transport's pool.

    httpx has no parameter for httpcore's `network_backend`, so the pool that the transport has just made is given
    one before its first connection: the two private names here are all that is touched.
    """
    transport._pool._network_backend = WatchedBackend(watch)
