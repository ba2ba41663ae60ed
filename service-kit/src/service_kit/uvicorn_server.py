"""A uvicorn server among others in one process. Needs uvicorn, the only module here that does."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn


class EmbeddedServer(uvicorn.Server):
    """Leaves signals to its owner; `listening` is set once it accepts connections.

    uvicorn's own signal handlers are per server: a second server's would replace the first one's. They also raise the
    signal again after the shutdown, which would end the process by the signal instead of with an exit code.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then set `listening`."""
        await super().startup(sockets=sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
