"""Runs a link: the engine, its measurement and the control port, until a signal."""

import asyncio
import logging
import signal
import socket
from typing import Any

import uvicorn

from link.app import create_app
from link.controller import Controller
from service_kit.exits import ExitCode
from service_kit.uvicorn_server import EmbeddedServer

log = logging.getLogger("link")


async def serve(controller: Controller, control: socket.socket) -> ExitCode:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    config = uvicorn.Config(
        create_app(controller),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    server = EmbeddedServer(config)
    code = _exit_code()
    await controller.engine.start()
    serving = asyncio.create_task(server.serve(sockets=[control]))
    measuring: asyncio.Task[Any] = asyncio.create_task(_measure_at_start(controller, server))
    try:
        await asyncio.wait({code, measuring}, return_when=asyncio.FIRST_COMPLETED)
        if not code.done() and not measuring.result():
            return ExitCode.UNAVAILABLE
        measuring = asyncio.create_task(_measure_changes(controller))
        return await code
    finally:
        measuring.cancel()
        await asyncio.wait({measuring})
        server.should_exit = True
        await serving
        await controller.engine.stop()


async def _measure_at_start(controller: Controller, server: EmbeddedServer) -> bool:
    await server.listening.wait()  # its start takes the loop's time, which would be measured too
    if not await _measure(controller):
        return False
    controller.ready = True
    return True


async def _measure_changes(controller: Controller) -> None:
    """Measure again whenever conditions have changed; a change during that restarts it."""
    while True:
        await controller.changed.wait()
        controller.changed.clear()
        measuring, changed = asyncio.create_task(_measure(controller)), asyncio.create_task(controller.changed.wait())
        try:
            await asyncio.wait({measuring, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            measuring.cancel()
            changed.cancel()
            await asyncio.wait({measuring, changed})


async def _measure(controller: Controller) -> bool:
    try:
        await controller.measure()
    except (OSError, TimeoutError) as error:
        engine = controller.choice.engine
        log.error("link: engine=%s lets nothing through: %s", engine, error or type(error).__name__)
        return False
    log.info("%s", controller.line())
    for caveat in controller.engine.caveats(controller.settings.conditions):
        log.info("link: %s", caveat)
    if warning := controller.warning():
        log.warning("%s", warning)
    return True


def _exit_code() -> asyncio.Future[ExitCode]:
    loop = asyncio.get_running_loop()
    code: asyncio.Future[ExitCode] = loop.create_future()

    def leave(value: ExitCode) -> None:
        if not code.done():
            code.set_result(value)

    loop.add_signal_handler(signal.SIGTERM, leave, ExitCode.OK)
    loop.add_signal_handler(signal.SIGINT, leave, ExitCode.INTERRUPTED)
    return code
