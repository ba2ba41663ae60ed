"""One relayed connection: the client's socket, the upstream's, and the two directions between them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from link.middlebox import Flow, Middlebox, PacketVerdict, begins
from link.model import ACK
from link.relay_conditions import RelayConditions
from link.relay_direction import RelayDirection, reset
from link.tcp_recovery import syn_time_out
from service_kit.timer_queue import TimerQueue

LINGER = 60.0
"""Seconds that an upstream keeps a connection whose client left without its FIN or RST arriving. In a real network that
is for ever."""


class RelayedConnection:
    """Both sides of a connection. The upstream is dialled when the handshake's round trip is over.

    `_silenced`: the network has dropped something of it, so the two sides no longer agree on its state.
    """

    def __init__(
        self,
        timers: TimerQueue,
        network: RelayConditions,
        *,
        dial: Callable[["RelayedConnection"], Coroutine[Any, Any, None]],
        on_gone: Callable[["RelayedConnection"], None],
    ):
        self._timers = timers
        self._network = network
        self._dial_upstream = dial
        self._on_gone = on_gone
        self._dialling: asyncio.Task[None] | None = None
        self._flow = Flow(time.monotonic())
        self._opens = 0.0
        self._silenced = False
        self.down = RelayDirection(timers, network, down=True, on_end=self._half_ended)
        self.up = RelayDirection(timers, network, down=False, on_end=self._half_ended)
        self.client = Side(self, out=self.up, into=self.down)
        self.upstream = Side(self, out=self.down, into=self.up)

    def changed(self, rtt: float, *, watched: bool) -> None:
        """Apply another round trip. Without an idle time-out before (`watched`), the idle time starts now."""
        self.down.retime(rtt)
        self.up.retime(rtt)
        if not watched:
            self._flow.seen = time.monotonic()

    def connected(self, side: "Side") -> None:
        """Start the handshake (client), or use the upstream's socket, which may be too late for a client that left."""
        if side is self.client:
            self._knock(0)
        elif (self.client.closed or self._flow.reset) and side.transport:
            reset(side.transport)

    def received(self, side: "Side", data: bytes) -> None:
        box = self._network.box
        if box is not None and not self._passes(box, side, payload=True):
            return
        peer = self.upstream if side is self.client else self.client
        if self._silenced and peer.closed and not self._network.blocked(time.monotonic()):
            self._refuse(side)  # the peer's kernel no longer knows this connection
        else:
            side.out.feed(data)

    def ended(self, side: "Side") -> None:
        box = self._network.box
        passes = box is None or self._passes(box, side, payload=False)
        if passes:
            side.out.end()
        if side is self.client and (not passes or self._network.blocked(time.monotonic())):
            self._linger()

    def lost(self, side: "Side", error: Exception | None) -> None:
        """Handle the loss of a side's socket: by a RST if there is an error, else because this relay closed it."""
        if error is not None and self._arrives():
            side.out.reset()
        elif self._silenced and side is self.client and not self.upstream.closed:
            self._linger()
        self._settle()

    def abort(self) -> None:
        if self._dialling:
            self._dialling.cancel()
        self.down.abort()
        self.up.abort()

    def refused(self) -> None:
        """Reset the client, because the upstream is not reachable."""
        self._dialling = None
        self.abort()
        self._settle()

    def _knock(self, tries: int) -> None:
        # The handshake, which has ended for the client's kernel: a lost SYN is sent again.
        now = time.monotonic()
        if self.client.closed:
            return
        self._flow.seen = now
        if self._network.rejects(now):
            self._refuse(self.client)
        elif not self._network.handshake_lost(now):
            self._opens = self.down.lane.arrival(now, ACK) + self._network.conditions.accept_delay
            self._network.charges.opened(self._opens - now)
            self._timers.call_at(self._opens, self._dial)
        elif (again := syn_time_out(tries)) is not None:
            self._timers.call_at(now + again, lambda: self._knock(tries + 1))
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
        self._silenced = True
        if verdict is not PacketVerdict.VANISH:
            self._refuse(side)
        if verdict is PacketVerdict.RESET:
            self.up.abort()
        return False

    def _arrives(self) -> bool:
        # Whether a RST that a side sends now gets through.
        box = self._network.box
        now = time.monotonic()
        if self._network.blocked(now) or (
            box and box.meet(self._flow, now, begins_request=False) is not PacketVerdict.PASS
        ):
            self._silenced = True
        return not self._silenced

    def _refuse(self, side: "Side") -> None:
        # Only this side gets a RST: the client after its way down, and not before the handshake is over.
        self._silenced = True
        if side is self.client:
            now = time.monotonic()
            self._timers.call_at(self.down.lane.arrival(now, ACK) + max(0.0, self._opens - now), self.down.abort)
        else:
            self.up.abort()

    def _linger(self) -> None:
        self._timers.call_at(time.monotonic() + LINGER, self._give_up)

    def _give_up(self) -> None:
        if self._silenced or self._network.blocked(time.monotonic()):
            self.abort()

    def _half_ended(self) -> None:
        if self.down.ended and self.up.ended:
            for side in (self.client, self.upstream):
                if side.transport:
                    side.transport.close()

    def _settle(self) -> None:
        never_connected = self.upstream.transport is None and self._dialling is None
        if self.client.closed and (self.upstream.closed or never_connected):
            self._on_gone(self)


class Side(asyncio.Protocol):
    """One socket of a relayed connection: bytes read go to `out`, bytes from `into` are written."""

    def __init__(self, connection: RelayedConnection, *, out: RelayDirection, into: RelayDirection):
        self.out = out
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._connection = connection
        self._into = into

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.out.attach_source(transport)
        self._into.attach_sink(transport)
        self._connection.connected(self)

    def data_received(self, data: bytes) -> None:
        self._connection.received(self, data)

    def eof_received(self) -> bool:
        """Pass on a FIN; the socket stays open for the other direction."""
        self._connection.ended(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._connection.lost(self, exc)

    def pause_writing(self) -> None:
        """Stop acknowledging: this side does not read."""
        self._into.hold()

    def resume_writing(self) -> None:
        """Acknowledge again, but not from here: it may close the transport, and asyncio would close it once more."""
        asyncio.get_running_loop().call_soon(self._into.release)
