"""The listening socket of the data port, which can be left unread while the mock runs."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

Listen = Callable[[socket.socket], Awaitable[asyncio.Server]]


class PausableListener:
    """While paused, nothing is accepted; the kernel fills the backlog, then drops SYNs.

    No event loop can pause a server, and closing it would close the socket, so that connects would be refused. So a
    second descriptor of the same socket is kept while the server is closed, and served afterwards.
    """

    def __init__(self) -> None:
        self._attached = False
        self._until = 0.0
        self._backlog: int | None = None
        self._spare: socket.socket | None = None
        self._resume_timer: asyncio.TimerHandle | None = None
        self._resume_task: asyncio.Task[None] | None = None

    def attach(self, listener: socket.socket, servers: list[asyncio.Server], listen: Listen) -> None:
        """The data port is served: `servers` holds the server of `listener`, and `listen` starts another one."""
        self._listener, self._servers, self._listen = listener, servers, listen
        self._attached = True
        self._update()

    def pause(self, seconds: float, backlog: int | None = None) -> None:
        """Accept nothing for so long, with `backlog` connections waiting at most.

        The longest of several calls counts. A call before `attach` takes effect then.
        """
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)
        self._backlog = self._backlog if backlog is None else backlog
        self._update()

    def detach(self) -> list[socket.socket]:
        """The server ends: it is not served again. Returns the socket that is to be closed with it."""
        if not self._attached:
            return []
        self._attached = False
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        return [self._spare or self._listener]

    def _update(self) -> None:
        loop = asyncio.get_running_loop()
        # Not while it is being resumed; `_serve` comes back here.
        if not self._attached or self._resume_task is not None or self._until <= loop.time():
            return
        if self._spare is None:
            self._spare = self._listener.dup()
            # asyncio's server accepts in one turn of the loop and starts the connection in the next one, which a
            # closed server refuses: so first its reader is removed, and then it is closed. uvloop's has no reader and
            # no such gap, and would accept more meanwhile.
            if loop.remove_reader(self._listener):
                loop.call_soon(self._close)
            else:
                self._close()
        if self._backlog is not None:
            self._spare.listen(self._backlog)
        if self._resume_timer is not None:
            self._resume_timer.cancel()
        self._resume_timer = loop.call_at(self._until, self._resume)

    def _close(self) -> None:
        while self._attached and self._servers:
            self._servers.pop().close()
            self._listener.close()  # most servers have done it; an Acceptor has not

    def _resume(self) -> None:
        self._close()
        if self._attached and self._spare is not None:
            self._listener, self._spare, self._backlog = self._spare, None, None
            self._resume_task = asyncio.get_running_loop().create_task(self._serve(self._listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = await self._listen(listener)
        self._resume_task = None
        if self._attached:
            self._servers.append(server)
            self._update()
        else:
            server.close()
