"""Several uvicorn servers in one process."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from service_kit.listening import free_port, listen
from service_kit.uvicorn_server import EmbeddedServer

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_two_servers_serve_side_by_side_and_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    servers = [EmbeddedServer(uvicorn.Config(app, lifespan="off", log_level="critical")) for _ in range(2)]
    listeners = [
        listen("127.0.0.1", free_port(), host_variable="DEMO_HOST", port_variable="DEMO_PORT") for _ in servers
    ]
    assert not any(server.listening.is_set() for server in servers)
    serving = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, listeners, strict=True)
    ]
    for server, listener in zip(servers, listeners, strict=True):
        await asyncio.wait_for(server.listening.wait(), 10)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 204")
        writer.close()
    assert signal.getsignal(signal.SIGTERM) is before
    for server in servers:
        server.should_exit = True
    await asyncio.wait_for(asyncio.gather(*serving), 10)
