"""A request body on its way into a library that has no write time-out and does not hold a body to its length."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from poolwatch.trace import RequestTrace, current
from proxy.asgi import header
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError


class Upload:
    """Hands on the chunks. `failure` is what ended it before its end, for libraries that wrap it in something else.

    `on_stall` is called when a chunk was not taken within the write time-out.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        outbound: Outbound,
        trace: RequestTrace | None,
        write_timeout_seconds: float,
        on_stall: Callable[[], None],
    ) -> None:
        declared = header(outbound.headers, b"content-length")
        chunked = header(outbound.headers, b"transfer-encoding")
        self.failure: Exception | None = None
        self._chunks = chunks
        self._trace = trace
        self._declared = int(declared) if declared and not chunked else None
        self._patience = write_timeout_seconds
        self._on_stall = on_stall
        self._given_up = False
        self._watched = True
        self._stall: asyncio.TimerHandle | None = None

    def give_up(self) -> None:
        """Let the next chunk that is asked for be an error: nothing waits for the answer any more."""
        self._given_up = True

    def stop_watching(self) -> None:
        """Report no stall any more: nothing waits for the answer's head."""
        self._watched = False
        if self._stall is not None:
            self._stall.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        sent = 0
        try:
            async for chunk in self._chunks:
                sent += len(chunk)
                if self._declared is not None and sent > self._declared:
                    raise ProxyError("bad_request", "the body is longer than its Content-Length")
                if self._watched:
                    self._stall = loop.call_later(self._patience, self._on_stall)
                try:
                    yield chunk
                finally:
                    if self._stall is not None:
                        self._stall.cancel()
                if self._given_up:
                    raise ProxyError("internal_error", "given up")
            if self._declared is not None and sent < self._declared:
                raise ProxyError("bad_request", "the body is shorter than its Content-Length")
        except Exception as error:
            self.failure = error
            raise
        if self._trace is not None:
            self._trace.sent()


@asynccontextmanager
async def watched_upload(
    chunks: AsyncIterator[bytes], outbound: Outbound, write_timeout_seconds: float
) -> AsyncIterator[Upload]:
    """Give a request's upload, watched until the block ends. A stall ends the block, and is raised as ProxyError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            upload = Upload(
                chunks, outbound, current.get(), write_timeout_seconds, lambda: limit.reschedule(loop.time())
            )
            try:
                yield upload
            finally:
                upload.stop_watching()
    except TimeoutError:
        raise ProxyError("upstream_write_timeout") from None
