"""The listening socket of the data port, which can be left unread while the mock runs."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

Listen = Callable[[socket.socket], Awaitable[asyncio.Server]]


class PausableListener:
    """Shut, nobody is let in: the kernel completes handshakes until the backlog is full, and then drops SYNs.

    No event loop can pause a server; to close it would close the socket, and connects would be refused. So a second
    descriptor of the same socket is kept while the server is closed, and served when the door opens.
    """

    def __init__(self) -> None:
        self._hung = False
        self._until = 0.0
        self._backlog: int | None = None
        self._spare: socket.socket | None = None
        self._opening: asyncio.TimerHandle | None = None
        self._opener: asyncio.Task[None] | None = None

    @property
    def is_shut(self) -> bool:
        """Whether nobody is let in just now."""
        return self._spare is not None

    def hang(self, listener: socket.socket, servers: list[asyncio.Server], listen: Listen) -> None:
        """The data port is served: `servers` holds the server of `listener`, and `listen` makes another one."""
        self._listener, self._servers, self._listen = listener, servers, listen
        self._hung = True
        self._obey()

    def shut(self, seconds: float, backlog: int | None = None) -> None:
        """Let nobody in for so long, with `backlog` connections waiting at most.

        An earlier call that said longer still holds. Before the door is hung this is remembered.
        """
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)
        self._backlog = self._backlog if backlog is None else backlog
        self._obey()

    def unhang(self) -> list[socket.socket]:
        """The server ends: nothing is opened again. Returns the socket that is to be closed with it."""
        if not self._hung:
            return []
        self._hung = False
        if self._opening is not None:
            self._opening.cancel()
        return [self._spare or self._listener]

    def _obey(self) -> None:
        loop = asyncio.get_running_loop()
        # While it is being opened nothing is done; whoever opens it looks again.
        if not self._hung or self._opener is not None or self._until <= loop.time():
            return
        if self._spare is None:
            self._spare = self._listener.dup()
            # asyncio's server accepts in one turn of the loop and takes in what it accepted in the next one, which a
            # closed server refuses: so first it accepts no more, and then it is closed. uvloop's has no reader and no
            # such gap, and would let somebody in meanwhile.
            if loop.remove_reader(self._listener):
                loop.call_soon(self._close)
            else:
                self._close()
        if self._backlog is not None:
            self._spare.listen(self._backlog)
        if self._opening is not None:
            self._opening.cancel()
        self._opening = loop.call_at(self._until, self._open)

    def _close(self) -> None:
        while self._hung and self._servers:
            self._servers.pop().close()
            self._listener.close()  # most servers have done it; whose accept loop is our own has not

    def _open(self) -> None:
        self._close()
        if self._hung and self._spare is not None:
            self._listener, self._spare, self._backlog = self._spare, None, None
            self._opener = asyncio.get_running_loop().create_task(self._serve(self._listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = await self._listen(listener)
        self._opener = None
        if self._hung:
            self._servers.append(server)
            self._obey()
        else:
            server.close()
