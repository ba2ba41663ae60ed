"""Two uvicorn servers, data and control, in one process and one loop."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from upstream_mock.acceptor import Acceptor, Pacer
from upstream_mock.app import create_app
from upstream_mock.control import create_control_app
from upstream_mock.http1 import Http1Protocol
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

# A draining server waits so long for its callers; above the 20 s that /drip may take.
GRACE_SECONDS = 30


class Server(uvicorn.Server):
    """A server that leaves signals to its owner and can say when it serves.

    uvicorn's own handlers are per server, the second would replace the first, and they raise the signal again after
    the shutdown, which would end the process by the signal instead of with exit code 0.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets=sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing of the kind."""
        yield


class DataServer(Server):
    """The data port's: has a door, and accepts by itself where the loop's own server cannot do what is asked of it."""

    def __init__(self, config: uvicorn.Config, mock: Mock, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._door = mock.faults.door
        self._broke = mock.handshakes.broke
        self._per_second = mock.settings.accept_per_second
        self._tls = tls
        self._beginning: set[asyncio.Task[None]] = set()
        self._own = tls is not None or self._per_second is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, with the loop's server or with our own."""
        listeners = sockets or []
        await super().startup([] if self._own else listeners)
        if self._own:
            self.servers += [await self._listen(listener) for listener in listeners]
        if listeners:
            self._door.hang(listeners[0], self.servers, self._listen)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Open nothing any more, cut the handshakes that are not done, and end."""
        for task in self._beginning:
            task.cancel()
        await super().shutdown(sockets=[*(sockets or []), *self._door.unhang()])

    async def _listen(self, listener: socket.socket) -> asyncio.Server:
        """Serve on a socket: as uvicorn's `startup` does, or by our own loop."""
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        state = {"server_state": self.server_state, "app_state": self.lifespan.state}
        protocol = partial(make, config=self.config, **state)
        if self._own:
            turns = Pacer(self._per_second)
            acceptor = Acceptor(
                listener, protocol, turns=turns, tls=self._tls, broke=self._broke, beginning=self._beginning
            )
            return cast("asyncio.Server", acceptor)
        loop = asyncio.get_running_loop()
        return await loop.create_server(protocol, sock=listener, backlog=self.config.backlog)


def data_server(mock: Mock, tls: ssl.SSLContext | None = None) -> Server:
    """The server of the data port, with the ledger's protocols; https if it is given a context."""
    protocol = cast("type[asyncio.Protocol]", partial(_connection(mock.settings), mock=mock))
    config = _config(
        create_app(mock=mock), http=protocol, lifespan="on", date_header=True, backlog=mock.settings.backlog
    )
    return DataServer(config, mock, tls)


def _connection(settings: Settings) -> Callable[..., asyncio.Protocol]:
    if not settings.http2:
        return Http1Protocol
    from upstream_mock.http2 import AlpnProtocol  # what speaks HTTP/2 need not be loaded for those who don't

    return AlpnProtocol


def control_server(mock: Mock) -> Server:
    """The server of the control port."""
    return Server(_config(create_control_app(mock), http="httptools", lifespan="off"))


async def serve(
    mock: Mock,
    data: socket.socket,
    control: socket.socket,
    announce: Callable[[], None],
    tls: ssl.SSLContext | None = None,
) -> int:
    """Serve on two listening sockets until SIGTERM or SIGINT and every answer begun is out; with `tls`, data by https.

    Calls `announce` once both serve. Returns the exit code: 0, or 130 after SIGINT. A second SIGINT does not wait.
    """
    servers = [data_server(mock, tls), control_server(mock)]
    codes: list[int] = []

    def stop(number: int) -> None:
        codes.append(130 if number == signal.SIGINT else 0)
        for server in servers:
            server.force_exit |= server.should_exit and number == signal.SIGINT
            server.should_exit = True
            if server.force_exit:
                # The requests that are cut short now would each print a trace.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    # The loops warn of each write through TLS to a client who has just left, which is no news here.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    async with asyncio.TaskGroup() as group:
        for server, listener in zip(servers, (data, control), strict=True):
            group.create_task(server.serve(sockets=[listener]))
        for server in servers:
            await server.serving.wait()
        announce()
    return codes[0] if codes else 0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loop where it is installed: /work costs about 12 % less CPU on it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def _config(app: Any, **extra: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="none",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **extra,
    )
