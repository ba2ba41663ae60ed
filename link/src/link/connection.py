"""One relayed connection: the client's socket, the one made for it to the upstream, and the two ways between them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from link.half import Half, reset
from link.model import ACK, Lane
from link.wheel import Wheel
from link.window import Window


class Connection:
    """Both sides of a connection. The upstream is dialled when the handshake's round trip is over."""

    def __init__(
        self,
        wheel: Wheel,
        lanes: tuple[Lane, Lane],
        rtt: float,
        *,
        dial: Callable[["Connection"], Coroutine[Any, Any, None]],
        on_gone: Callable[["Connection"], None],
    ):
        self._wheel = wheel
        self._lane, up = lanes
        self._dial_upstream = dial
        self._on_gone = on_gone
        self._dialling: asyncio.Task[None] | None = None
        # Acknowledgements of the upstream's bytes come back at once, those of the client's take the way down.
        self.down = Half(wheel, self._lane, Window(rtt), ack_delay=0.0, on_end=self._half_ended)
        self.up = Half(wheel, up, Window(rtt), ack_delay=rtt, on_end=self._half_ended)
        self.client = Side(self, out=self.up, into=self.down)
        self.upstream = Side(self, out=self.down, into=self.up)

    def connected(self, side: "Side") -> None:
        """A side stands: the client's begins the handshake, the upstream's may come after the client has left."""
        if side is self.client:
            self._wheel.at(self._lane.arrival(time.monotonic(), ACK), self._dial)
        elif self.client.closed and side.transport:
            reset(side.transport)

    def lost(self, side: "Side", error: Exception | None) -> None:
        """A side's socket is gone: by a RST if there is an error, else because this relay closed it."""
        if error is not None:
            side.out.reset()
        self._settle()

    def abort(self) -> None:
        """Reset both sides at once."""
        if self._dialling:
            self._dialling.cancel()
        self.down.abort()
        self.up.abort()

    def refused(self) -> None:
        """The upstream cannot be had: the client hears it as a reset."""
        self._dialling = None
        self.abort()
        self._settle()

    def _dial(self) -> None:
        if not self.client.closed and not self.down.ended:
            self._dialling = asyncio.get_running_loop().create_task(self._dial_upstream(self))

    def _half_ended(self) -> None:
        if self.down.ended and self.up.ended:
            for side in (self.client, self.upstream):
                if side.transport:
                    side.transport.close()

    def _settle(self) -> None:
        never_stood = self.upstream.transport is None and self._dialling is None
        if self.client.closed and (self.upstream.closed or never_stood):
            self._on_gone(self)


class Side(asyncio.Protocol):
    """One socket of a relayed connection: what it reads goes `out`, what comes `into` it is written."""

    def __init__(self, connection: Connection, *, out: Half, into: Half):
        self.out = out
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._connection = connection
        self._into = into

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket into use."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.out.attach_source(transport)
        self._into.attach_sink(transport)
        self._connection.connected(self)

    def data_received(self, data: bytes) -> None:
        """Send on what was read."""
        self.out.feed(data)

    def eof_received(self) -> bool:
        """Send on a FIN; the socket stays open for the other direction."""
        self.out.end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Send on a RST."""
        self.closed = True
        self._connection.lost(self, exc)

    def pause_writing(self) -> None:
        """Push back: this side does not read what it gets."""
        self._into.hold()

    def resume_writing(self) -> None:
        """Go on."""
        self._into.release()
