"""uvicorn's HTTP/1.1 connection, as the proxy needs it: it tells when the caller leaves, and can hold a head back.

ASGI has one way to hear that a caller has left: to wait for `http.disconnect`, which takes a task for each request and
a tenth of its time. The connection knows it anyway. And uvicorn writes the head of an answer at once, so that a small
answer takes two system calls and two packets. Under any other server there is no line, and neither is done.
"""

import asyncio

from proxy.forward.downstream_connection import SCOPE_KEY, DownstreamConnection
from service_kit.plain_http1 import PlainHttp1Protocol


class HoldingTransport:
    """A transport that can keep the next write for the one after it, up to the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = transport
        self._loop = loop
        self._holding = False
        self._held = b""
        self._flushing: asyncio.Handle | None = None
        # taken over as they are: looked up several times a request
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.set_protocol = transport.set_protocol

    def hold(self) -> None:
        """Keep the next write."""
        self._holding = True

    def write(self, data: bytes) -> None:
        """Write, or keep it until the next one, or until the loop has done what it has to do now."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            self._inner.write(self._held + data)
        elif self._holding:
            self._holding = False
            self._held = data
            self._flushing = self._loop.call_soon(self._flush)
        else:
            self._inner.write(data)

    def close(self) -> None:
        """Write what is kept, and close."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
            self._inner.write(self._held)


class Connection(PlainHttp1Protocol):
    """uvicorn's own protocol with a line for each connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Accepted."""
        self._downstream = DownstreamConnection(None, transport.get_extra_info("socket"))
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """A request begins to arrive."""
        super().on_message_begin()
        self.scope[SCOPE_KEY] = self._downstream  # type: ignore[typeddict-unknown-key] # a key of our own

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or was cut off."""
        super().connection_lost(exc)
        self._downstream.lose()


class HoldingConnection(Connection):
    """The tuned one: the head of an answer leaves in one packet with the first piece of its body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Accepted."""
        holding = HoldingTransport(transport, self.loop)
        super().connection_made(holding)  # type: ignore[arg-type] # all of a transport that uvicorn asks for
        self._downstream.hold_next_write = holding.hold
