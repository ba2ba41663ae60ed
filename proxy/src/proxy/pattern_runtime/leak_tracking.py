"""Who holds a connection: an answer that is neither read to its end nor closed keeps its slot, whoever forgot it.

The pattern's request may be over by then. So that the leak can be seen, its exchange goes on until the last of its
answers is given back: the pool shows the slot as active, which it is. Nothing here closes what a pattern left open.
"""

import contextvars
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Final

import httpx

from poolwatch.trace import RequestTrace, current
from proxy.pattern_runtime.call_in_loop import Teller

_holder: Final[contextvars.ContextVar["Holder | None"]] = contextvars.ContextVar("holder", default=None)


class Holder:
    """A pattern's request as the holder of connections. A context manager around the call of the pattern."""

    def __init__(self, exchange: RequestTrace) -> None:
        self._exchange = exchange
        self._held = 0
        self._over = False
        self.upstream_headers: list[tuple[bytes, bytes]] = []

    def __enter__(self) -> "Holder":
        self._tokens = current.set(self._exchange), _holder.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._tokens[0])
        _holder.reset(self._tokens[1])
        self._over = True
        self._exchange.leaking(self._held)
        if not self._held:
            self._exchange.end()

    def take(self) -> None:
        """Note an answer that holds a connection."""
        self._held += 1

    def give_back(self) -> None:
        """Note that an answer does not hold its connection any more."""
        self._held -= 1
        if self._over:
            self._exchange.leaking(-1)
        if not self._held:
            self._exchange.released()
            if self._over:
                self._exchange.end()


class LeasedTransport(httpx.AsyncBaseTransport):
    """A transport whose answers tell their holder when they give their connection back."""

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        response = await self._inner.handle_async_request(request)
        holder = _holder.get()
        if holder is not None:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            holder.upstream_headers = response.headers.raw
            response.stream = _LeasedStream(response.stream, holder)
        return response

    async def aclose(self) -> None:
        """Close the pool."""
        await self._inner.aclose()


class _LeasedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, holder: Holder) -> None:
        self._inner = inner
        self._holder: Holder | None = holder
        holder.take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                yield chunk
        finally:  # at the end, or dropped half-way: the library closes what it was reading, so this only takes note
            self._give_back()

    async def aclose(self) -> None:
        self._give_back()
        await self._inner.aclose()

    def _give_back(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            with suppress(ValueError):  # dropped so late that the counters are closed: the worker is at its end
                holder.give_back()


class LeasedSyncTransport(httpx.BaseTransport):
    """The twin for threads. What is left open ends with its request: no pattern of theirs leaves anything open."""

    def __init__(self, inner: httpx.HTTPTransport, teller: Teller) -> None:
        self._inner = inner
        self._teller = teller

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        response = self._inner.handle_request(request)
        exchange = current.get()
        if exchange is not None:
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = _LeasedSyncStream(response.stream, exchange, self._teller)
        return response

    def close(self) -> None:
        """Close the pool."""
        self._inner.close()


class _LeasedSyncStream(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, exchange: RequestTrace, teller: Teller) -> None:
        self._inner = inner
        self._exchange = exchange
        self._teller = teller

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        self._teller.tell(self._exchange.released)  # first: the next holder's turn may come before the line is over
        self._inner.close()
