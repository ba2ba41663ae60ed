"""What the proxy adds to uvicorn's HTTP/1.1 connections, whichever parser reads them."""

import asyncio
from typing import Any

from proxy.forward.downstream_connection import SCOPE_KEY, DownstreamConnection


class CallerProtocol(asyncio.Protocol):
    """Mixed into a protocol class of uvicorn's: each request's scope has its `DownstreamConnection`."""

    transport: Any
    loop: Any

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        self.downstream = DownstreamConnection(None, transport.get_extra_info("socket"))
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or was cut off."""
        super().connection_lost(exc)
        self.downstream.lose()

    def begin_request(self, scope: Any) -> None:
        """Add our own key to the scope of a request that begins."""
        scope[SCOPE_KEY] = self.downstream
