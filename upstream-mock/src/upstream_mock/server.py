"""Two uvicorn servers, data and control, in one process and one loop."""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from service_kit.uvicorn_server import EmbeddedServer
from upstream_mock.acceptor import Acceptor, Pacer
from upstream_mock.app import create_app
from upstream_mock.control import create_control_app
from upstream_mock.http1 import Http1Protocol
from upstream_mock.settings import Settings
from upstream_mock.state import Mock

# How long a server that shuts down waits for open requests; above the 20 s that /drip may take.
GRACE_SECONDS = 30


class DataServer(EmbeddedServer):
    """The data port's. Its listener can be paused; an `Acceptor` accepts where there is TLS or a rate limit."""

    def __init__(self, config: uvicorn.Config, mock: Mock, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._listener = mock.faults.listener
        self._on_failure = mock.handshakes.add_failed
        self._per_second = mock.settings.accept_per_second
        self._tls = tls
        self._handshaking: set[asyncio.Task[None]] = set()
        self._accepts_itself = tls is not None or self._per_second is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        listeners = sockets or []
        await super().startup([] if self._accepts_itself else listeners)
        if self._accepts_itself:
            self.servers += [await self._listen(listener) for listener in listeners]
        if listeners:
            self._listener.attach(listeners[0], self.servers, self._listen)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._handshaking:
            task.cancel()
        await super().shutdown(sockets=[*(sockets or []), *self._listener.detach()])

    async def _listen(self, listener: socket.socket) -> asyncio.Server:
        """Serve on a socket: as uvicorn's `startup` does, or by an Acceptor."""
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        state = {"server_state": self.server_state, "app_state": self.lifespan.state}
        protocol = partial(make, config=self.config, **state)
        if self._accepts_itself:
            acceptor = Acceptor(
                listener,
                protocol,
                pacer=Pacer(self._per_second),
                tls=self._tls,
                on_failure=self._on_failure,
                handshaking=self._handshaking,
            )
            return cast("asyncio.Server", acceptor)
        loop = asyncio.get_running_loop()
        return await loop.create_server(protocol, sock=listener, backlog=self.config.backlog)


def data_server(mock: Mock, tls: ssl.SSLContext | None = None) -> EmbeddedServer:
    """The server of the data port; https if `tls` is given."""
    protocol = cast("type[asyncio.Protocol]", partial(_protocol(mock.settings), mock=mock))
    config = _config(
        create_app(mock=mock), http=protocol, lifespan="on", date_header=True, backlog=mock.settings.backlog
    )
    return DataServer(config, mock, tls)


def _protocol(settings: Settings) -> Callable[..., asyncio.Protocol]:
    if not settings.http2:
        return Http1Protocol
    from upstream_mock.http2 import AlpnProtocol  # zttp is loaded only where it is used

    return AlpnProtocol


def control_server(mock: Mock) -> EmbeddedServer:
    return EmbeddedServer(_config(create_control_app(mock), http="httptools", lifespan="off"))


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
                # Each request that is cut short now would log a traceback.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    # The loops warn of each write through TLS to a client that has just left, which is normal here.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    async with asyncio.TaskGroup() as group:
        for server, listener in zip(servers, (data, control), strict=True):
            group.create_task(server.serve(sockets=[listener]))
        for server in servers:
            await server.listening.wait()
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
