"""httpcore's pool, called directly: what is inside httpx, without httpx around it, and tuned unless PROXY_TUNING=off.

It shows how fast the same pool can be; httpx in an app is slower. `proxy.tuning` lists what is done for it.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpcore

from poolwatch.monitor import Monitor
from proxy.settings import Settings

from .httpcore_pool import PoolClient, Received
from .interface import Outbound
from .transport import socket_options, ssl_context


class HttpcoreClient(PoolClient):
    """The shared pool of one worker."""

    def __init__(self, settings: Settings, watch: Monitor) -> None:
        super().__init__(httpcore, httpcore, settings, watch)
        self._scheme = self._origin.scheme.encode()
        self._host = self._origin.host.encode()

    def _open_pool(self) -> Any:
        settings = self._settings
        return self.core.AsyncConnectionPool(
            ssl_context=ssl_context(settings),
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.keepalive_connections,
            keepalive_expiry=settings.keepalive_expiry_seconds,
            http2=self.http2,
            network_backend=self.backend,
            socket_options=socket_options(settings) or None,
        )

    async def _send(self, outbound: Outbound, content: Any, extensions: dict[str, Any]) -> Received:
        core = self.core
        url = core.URL(scheme=self._scheme, host=self._host, port=self._origin.port, target=outbound.target)
        request = core.Request(outbound.method, url, headers=outbound.headers, content=content, extensions=extensions)
        response = await self.pool.handle_async_request(request)
        return response, response.status, response.headers

    def raw_pieces(self, response: Any) -> AsyncIterator[bytes]:
        return aiter(response.stream)

    async def _close(self) -> None:
        await self.pool.aclose()
