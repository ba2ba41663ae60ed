"""One relayed connection: the client's socket, the one made for it to the upstream, and the two ways between them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from link.middlebox import Flow, Middlebox, PacketVerdict, begins
from link.model import ACK
from link.relay_conditions import RelayConditions
from link.relay_direction import RelayDirection, reset
from link.tcp_recovery import syn_time_out
from link.wheel import Wheel

LINGER = 60.0
"""Seconds an upstream is left with a connection whose client has gone unheard: really it would be for ever."""


class RelayedConnection:
    """Both sides of a connection. The upstream is dialled when the handshake's round trip is over."""

    def __init__(
        self,
        wheel: Wheel,
        network: RelayConditions,
        *,
        dial: Callable[["RelayedConnection"], Coroutine[Any, Any, None]],
        on_gone: Callable[["RelayedConnection"], None],
    ):
        self._wheel = wheel
        self._network = network
        self._dial_upstream = dial
        self._on_gone = on_gone
        self._dialling: asyncio.Task[None] | None = None
        self._flow = Flow(time.monotonic())
        self._opens = 0.0
        self._unheard = False
        self.down = RelayDirection(wheel, network, down=True, on_end=self._half_ended)
        self.up = RelayDirection(wheel, network, down=False, on_end=self._half_ended)
        self.client = Side(self, out=self.up, into=self.down)
        self.upstream = Side(self, out=self.down, into=self.up)

    def changed(self, rtt: float, *, watched: bool) -> None:
        """Go on under other conditions; if nobody `watched` for idle connections before, this one counts as seen."""
        self.down.retime(rtt)
        self.up.retime(rtt)
        if not watched:
            self._flow.seen = time.monotonic()

    def connected(self, side: "Side") -> None:
        """A side stands: the client's begins the handshake, the upstream's may come after the client has left."""
        if side is self.client:
            self._knock(0)
        elif (self.client.closed or self._flow.reset) and side.transport:
            reset(side.transport)

    def received(self, side: "Side", data: bytes) -> None:
        """A side has sent bytes."""
        box = self._network.box
        if box is not None and not self._passes(box, side, payload=True):
            return
        peer = self.upstream if side is self.client else self.client
        if self._unheard and peer.closed and not self._network.blocked(time.monotonic()):
            self._refuse(side)  # its peer's system has nothing it belongs to any more
        else:
            side.out.feed(data)

    def ended(self, side: "Side") -> None:
        """A side has sent its FIN."""
        box = self._network.box
        passes = box is None or self._passes(box, side, payload=False)
        if passes:
            side.out.end()
        if side is self.client and (not passes or self._network.blocked(time.monotonic())):
            self._linger()

    def lost(self, side: "Side", error: Exception | None) -> None:
        """A side's socket is gone: by a RST if there is an error, else because this relay closed it."""
        if error is not None and self._heard():
            side.out.reset()
        elif self._unheard and side is self.client and not self.upstream.closed:
            self._linger()
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

    def _knock(self, tries: int) -> None:
        # The handshake, which the client's system believes to be over: a SYN that is lost is sent again.
        now = time.monotonic()
        if self.client.closed:
            return
        self._flow.seen = now
        if self._network.rejects(now):
            self._refuse(self.client)
        elif not self._network.handshake_lost(now):
            self._opens = self.down.lane.arrival(now, ACK) + self._network.conditions.accept_delay
            self._wheel.at(self._opens, self._dial)
        elif (again := syn_time_out(tries)) is not None:
            self._wheel.at(now + again, lambda: self._knock(tries + 1))
        else:
            self.refused()

    def _dial(self) -> None:
        if not self.client.closed and not self.down.ended and not self._flow.reset:
            self._dialling = asyncio.get_running_loop().create_task(self._dial_upstream(self))

    def _passes(self, box: Middlebox, side: "Side", *, payload: bool) -> bool:
        first = payload and begins(self._flow, from_client=side is self.client)
        verdict = box.meet(self._flow, time.monotonic(), begins_request=first)
        if verdict is PacketVerdict.PASS:
            return True
        self._unheard = True
        if verdict is not PacketVerdict.VANISH:
            self._refuse(side)
        if verdict is PacketVerdict.RESET:
            self.up.abort()
        return False

    def _heard(self) -> bool:
        # Whether a RST that a side has sent gets through.
        box = self._network.box
        now = time.monotonic()
        if self._network.blocked(now) or (
            box and box.meet(self._flow, now, begins_request=False) is not PacketVerdict.PASS
        ):
            self._unheard = True
        return not self._unheard

    def _refuse(self, side: "Side") -> None:
        # Only this side is told: by a RST, which takes its time to the client, and after the handshake.
        self._unheard = True
        if side is self.client:
            now = time.monotonic()
            self._wheel.at(self.down.lane.arrival(now, ACK) + max(0.0, self._opens - now), self.down.abort)
        else:
            self.up.abort()

    def _linger(self) -> None:
        self._wheel.at(time.monotonic() + LINGER, self._give_up)

    def _give_up(self) -> None:
        if self._unheard or self._network.blocked(time.monotonic()):
            self.abort()

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

    def __init__(self, connection: RelayedConnection, *, out: RelayDirection, into: RelayDirection):
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
        """Send on what was read, if the network lets it."""
        self._connection.received(self, data)

    def eof_received(self) -> bool:
        """Send on a FIN; the socket stays open for the other direction."""
        self._connection.ended(self)
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
