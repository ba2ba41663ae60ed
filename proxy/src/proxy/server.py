"""uvicorn around the app: the socket bound first, the signals mapped to exit codes, one worker or several.

Nothing here may import anyio: it tries to import sniffio once, at its own import, and PROXY_SNIFFIO must come before.
"""

import importlib.util
import logging
import os
import signal
import tempfile
from socket import socket
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from proxy import sniffio_import
from proxy.asgi import App
from proxy.settings import ServerSettings, Settings
from proxy.tuning import tune_process
from service_kit.exits import ExitCode
from service_kit.listening import listen
from service_kit.settings_errors import load

_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
    "loggers": {"proxy": {"level": "INFO"}, "uvicorn": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
"""uvicorn sets this up in every worker, which is a process of its own."""


def serve(settings: Settings, server: ServerSettings) -> int:
    """Serve until a signal comes; return the exit code. Raises UnavailableError before anything has started."""
    listener = listen(
        settings.host, settings.port, host_variable="PROXY_HOST", port_variable="PROXY_PORT", backlog=server.backlog
    )
    # uvicorn raises the signal that ended it once more when it is done: by then it means an exit code
    signal.signal(signal.SIGTERM, _exit_well)
    serve_on = _serve_by_workers if server.workers > 1 else _serve_alone
    with listener:
        return serve_on(listener, settings, server)


def _serve_alone(listener: socket, settings: Settings, server: ServerSettings) -> int:
    config = _configured(_app(settings, server), settings, server)
    uvicorn_server = uvicorn.Server(config)
    try:
        uvicorn_server.run(sockets=[listener])
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if uvicorn_server.started else ExitCode.UNAVAILABLE


def _serve_by_workers(listener: socket, settings: Settings, server: ServerSettings) -> int:
    listener.set_inheritable(True)
    with tempfile.TemporaryDirectory(prefix="pool-sandbox-proxy-") as own_dir:
        # uvicorn's workers are new processes that read the environment: the folder they share travels there
        os.environ.setdefault("PROXY_STATE_DIR", own_dir)
        config = _configured("proxy.server:worker_app", settings, server)
        return _Workers(config, sockets=[listener]).run_to_exit_code()


def _configured(app: App | str, settings: Settings, server: ServerSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=server.workers,
        limit_concurrency=server.limit_concurrency,
        backlog=server.backlog,
        timeout_keep_alive=server.timeout_keep_alive,
        timeout_graceful_shutdown=server.timeout_graceful_shutdown,
        http=_protocol(server.http, tuned=settings.tuned),
        ws="none",  # a WebSocket handshake is an HTTP request here, refused by an error of the proxy's own
        access_log=False,
        log_config=_LOGGING,
        # the upstream's own Date and Server go through; a second one of ours would make two
        date_header=False,
        server_header=False,
        # no client is trusted to say where it came from
        proxy_headers=False,
    )
    logging.getLogger("proxy").info(announcement(settings, server))
    return config


def worker_app() -> App:
    """Build the app of one of several workers, which is a process of its own and reads the environment itself."""
    return _app(*load(Settings, ServerSettings))


def _app(settings: Settings, server: ServerSettings) -> App:
    sniffio_import.set_up(settings.sniffio)  # before anyio, httpcore2 and others try the import
    from proxy.app import create_app  # slow: the port is already held

    return create_app(settings, server, when_open=lambda: tune_process(settings))


def _protocol(http: str, *, tuned: bool) -> str:
    has_httptools = importlib.util.find_spec("httptools") is not None
    if http == "h11" or not has_httptools:
        return "proxy.forward.h11_protocol:H11Connection"
    return "proxy.forward.httptools_protocol:" + ("HoldingConnection" if tuned else "HttpToolsConnection")


class _Workers(Multiprocess):
    """uvicorn's supervisor of several workers, which tells how it ended."""

    _interrupted = False

    def handle_int(self) -> None:
        self._interrupted = True
        super().handle_int()

    def run_to_exit_code(self) -> int:
        self.run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            return ExitCode.UNAVAILABLE
        return ExitCode.INTERRUPTED if self._interrupted else 0


def announcement(settings: Settings, server: ServerSettings) -> str:
    """Return one line: where the proxy listens and what its pools add up to."""
    pool = f"{settings.max_connections} connections, {settings.keepalive_connections} kept alive"
    if server.workers > 1:
        product = server.workers * settings.max_connections
        pool = f"{server.workers} workers x {pool} each = {product} connections at the upstream"
    where = f"http://{settings.host}:{settings.port} -> {settings.upstream_url}"
    return f"{where} by {settings.client}, {pool}"


def _exit_well(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
