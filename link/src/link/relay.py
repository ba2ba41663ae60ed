"""The relay engine: a TCP relay that delays bytes by the link model. Works on any system, without privileges.

It cannot delay connect(), which the kernel completes by itself. The handshake's round trip is charged to the first
bytes instead: the upstream sees a connection one round trip after it was made, so a fresh request costs two in all.
"""

import asyncio
import socket
import time
from typing import Any

from link.caveats import IPV6, of_relay
from link.model import Conditions
from link.relay_conditions import RelayConditions
from link.relay_connection import RelayedConnection, Side
from link.self_test import SelfTest, echo, measure
from service_kit.histogram import LogHistogram
from service_kit.timer_queue import TimerQueue

BACKLOG = 4096


class Relay:
    """Listens on one socket and forwards every connection to the upstream through the emulated link.

    `redirected` when connections to the upstream's own port are redirected here, which is done for IPv4 only.
    """

    def __init__(
        self,
        conditions: Conditions,
        listener: socket.socket,
        upstream: tuple[str, int],
        *,
        seed: int,
        redirected: bool = False,
    ):
        self.lateness = LogHistogram()
        self._conditions = conditions
        self._listener = listener
        self._seed = seed
        self._redirected = redirected
        self._upstream = upstream
        self._network = RelayConditions(seed)
        self._open: set[RelayedConnection] = set()
        self._accepted = self._refused = self._bytes_down = self._bytes_up = 0
        self._server: asyncio.Server | None = None
        self._timers: TimerQueue | None = None

    async def start(self) -> None:
        """Serve the connections of the listener, which the relay owns from now on."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        self._network.change(self._conditions, now, now)
        self._timers = TimerQueue(loop, on_late=lambda seconds: self.lateness.add(1e3 * seconds))
        # Accepted sockets inherit it; asyncio sets it only on sockets that name IPPROTO_TCP. Without it the second part
        # of a response waits 40 ms for the client's delayed ACK.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = await loop.create_server(self._connection, sock=self._listener, backlog=BACKLOG)

    async def stop(self) -> None:
        """Stop listening and reset all open connections."""
        if self._server:
            self._server.close()
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # lets the transports close their sockets
        if self._timers:
            self._timers.close()

    async def measure(self) -> SelfTest:
        """Time requests through a private relay of the same model to an echo of its own; connect() is not delayed.

        Only delay and bandwidth apply to them: loss, resets and partitions would be measured by chance.
        """
        behind, before = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        address = before.getsockname()
        async with echo(behind):
            private = Relay(self._conditions.calm(), before, behind.getsockname(), seed=self._seed)
            private.lateness = self.lateness
            await private.start()
            try:
                return await measure(*address)
            finally:
                await private.stop()

    def refuses(self, conditions: Conditions) -> tuple[str, str] | None:  # noqa: ARG002 - part of Engine
        """Refuse none: a relay can emulate any conditions."""
        return None

    def change(self, conditions: Conditions, since: float) -> None:
        watched = self._conditions.idle_drop is not None
        self._conditions = conditions
        self._network.change(conditions, time.monotonic(), since)
        for connection in self._open:
            connection.changed(conditions.rtt, watched=watched)

    def caveats(self, conditions: Conditions) -> list[str]:
        return [*([IPV6] if self._redirected else []), *of_relay(conditions)]

    def stats(self) -> dict[str, Any]:
        connections = {
            "accepted": self._accepted,
            "open": len(self._open),
            "closed": self._accepted - len(self._open),
            "refused_by_upstream": self._refused,
        }
        down = self._bytes_down + sum(connection.down.bytes for connection in self._open)
        up = self._bytes_up + sum(connection.up.bytes for connection in self._open)
        return {
            "connections": connections,
            "bytes": {"down": down, "up": up},
            "affected_by": self._network.affected(),
            "path_ms": self._network.charges.as_json(),
        }

    def _connection(self) -> Side:
        assert self._timers is not None
        connection = RelayedConnection(self._timers, self._network, dial=self._dial, on_gone=self._forget)
        self._accepted += 1
        self._open.add(connection)
        return connection.client

    async def _dial(self, connection: RelayedConnection) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection.upstream, *self._upstream)
        except OSError:
            self._refused += 1
            connection.refused()

    def _forget(self, connection: RelayedConnection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            self._bytes_down += connection.down.bytes
            self._bytes_up += connection.up.bytes
