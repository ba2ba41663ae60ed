"""What every client library of the proxy offers: send an `Outbound`, get an `Answer`.

What differs between them is not hidden: `unsupported` tells which settings a library cannot honour, and a request that
it cannot send as it came is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from proxy.asgi import Headers
from proxy.clients.cancellation import Scope
from proxy.clients.lost_slots import Loss


@dataclass(frozen=True)
class Outbound:
    """A request as it is to be sent: the target byte for byte, headers in order, and whether a body follows."""

    method: str
    target: bytes
    headers: Headers
    has_body: bool


class Answer(Protocol):
    """An upstream's answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values as the upstream sent them, in order, duplicates kept."""

    def body(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the body as they come, nothing decoded. Raises ProxyError if they stop too early."""

    async def aclose(self) -> None:
        """Give the connection back, or close it if the body was not read to its end. Safe to call twice."""


class Client(Protocol):
    """One pooled client, shared by all requests of a worker.

    While `send` runs, and until the answer is closed, the client reports to the trace of the running task
    (`poolwatch.trace.current`): `connecting`, `connected`, `secured`, `writing`, `sent`, `head_received`.
    """

    async def send(self, outbound: Outbound, body: AsyncIterator[bytes] | None) -> Answer:
        """Send a request and return when the answer's head is there. Raises ProxyError."""

    def cancel_scope(self, loop: asyncio.AbstractEventLoop) -> Scope:
        """Return a scope of the kind by which this client's calls may be cancelled."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries at work."""

    def unsupported(self) -> dict[str, str]:
        """Return, for each variable that is set but cannot be honoured by this library, one sentence about it."""

    def connections(self) -> list[dict[str, object]] | None:
        """Return an entry for each connection (state, age_seconds, requests), or None if the library cannot tell."""

    def loss(self) -> Loss | None:
        """Return the slots of the pool that are taken though no request holds them, None if there are none. Cheap."""

    async def aclose(self) -> None:
        """Close every connection of the pool."""
