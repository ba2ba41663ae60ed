"""Runs a link: the engine, its measurement, the control port, until a signal."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from link.app import create_app
from link.controller import Controller

log = logging.getLogger("link")

OK, SURROUNDINGS_FAILED, INTERRUPTED = 0, 3, 130


class ControlServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: they are the link's."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say when that is done."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve(state: Controller, control: socket.socket) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    config = uvicorn.Config(
        create_app(state),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    server = ControlServer(config)
    code = asyncio.get_running_loop().create_future()
    _on_signals(code)
    await state.engine.start()
    serving = asyncio.create_task(server.serve(sockets=[control]))
    measuring: asyncio.Task[Any] = asyncio.create_task(_measure_at_start(state, server))
    try:
        await asyncio.wait({code, measuring}, return_when=asyncio.FIRST_COMPLETED)
        if not code.done() and not measuring.result():
            return SURROUNDINGS_FAILED
        measuring = asyncio.create_task(_measure_changes(state))
        return int(await code)
    finally:
        measuring.cancel()
        await asyncio.wait({measuring})
        server.should_exit = True
        await serving
        await state.engine.stop()


async def _measure_at_start(state: Controller, server: ControlServer) -> bool:
    await server.listening.wait()  # starting it takes the loop's time, which would be measured too
    if not await _measure(state):
        return False
    state.ready = True
    return True


async def _measure_changes(state: Controller) -> None:
    """Measure again whenever conditions have changed; a change while that is under way begins it anew."""
    while True:
        await state.changed.wait()
        state.changed.clear()
        measuring, changed = asyncio.create_task(_measure(state)), asyncio.create_task(state.changed.wait())
        try:
            await asyncio.wait({measuring, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            measuring.cancel()
            changed.cancel()
            await asyncio.wait({measuring, changed})


async def _measure(state: Controller) -> bool:
    try:
        await state.measure()
    except (OSError, TimeoutError) as error:
        log.error("link: engine=%s lets nothing through: %s", state.choice.engine, error or type(error).__name__)
        return False
    log.info("%s", state.line())
    for limit in state.engine.limits(state.settings.conditions):
        log.info("link: %s", limit)
    if warning := state.warning():
        log.warning("%s", warning)
    return True


def _on_signals(code: asyncio.Future[int]) -> None:
    def leave(value: int) -> None:
        if not code.done():
            code.set_result(value)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leave, OK)
    loop.add_signal_handler(signal.SIGINT, leave, INTERRUPTED)
