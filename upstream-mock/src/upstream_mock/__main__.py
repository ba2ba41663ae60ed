"""python -m upstream_mock [--check | --help]."""

import asyncio
import ssl
import sys
from functools import partial
from textwrap import shorten

from upstream_mock.cli import parse_arguments
from upstream_mock.mistakes import BadSettingsError, load_settings
from upstream_mock.settings import Settings
from upstream_mock.sockets import listen
from upstream_mock.surroundings import SurroundingsError

BAD_SETTINGS, SURROUNDINGS, INTERRUPTED = 2, 3, 130


def main(arguments: list[str]) -> int:
    """Check or serve; returns the exit code."""
    check = parse_arguments(arguments).check
    try:
        settings = load_settings()
        return 0 if check else _serve(settings)
    except BadSettingsError as error:
        print(error, file=sys.stderr)
        return BAD_SETTINGS
    except SurroundingsError as error:
        print(error, file=sys.stderr)
        return SURROUNDINGS


def _serve(settings: Settings) -> int:
    with (
        listen(settings.host, settings.port, "port", settings.backlog) as data,
        listen(settings.host, settings.control_port, "control_port") as control,
    ):
        # Before the imports that take long, for whoever waits for ca.pem.
        tls = None if settings.tls == "off" else _tls(settings)
        # Here, because FastAPI takes half a second to import, which --check and a port in use need not wait for.
        from upstream_mock.server import loop_factory, serve
        from upstream_mock.state import Mock

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            announce = partial(print, _banner(settings), flush=True)
            return runner.run(serve(Mock(settings), data, control, announce, tls))


def _tls(settings: Settings) -> ssl.SSLContext:
    from upstream_mock.certificates import certificate, names
    from upstream_mock.tls import server_context

    return server_context(settings, certificate(settings.tls_directory, names(settings.host)))


def _banner(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls == "off" else "https"
    capacity = "unlimited" if settings.capacity is None else str(settings.capacity)
    parts = [
        f"upstream-mock: {scheme}://{host}:{settings.port} (control {settings.control_port})",
        f"latency {settings.latency}",
        f"capacity {capacity}" if settings.queue is None else f"capacity {capacity} and queue {settings.queue}",
        f"payload {settings.payload_bytes} bytes",
        f"errors {settings.error_rate:g}",
    ]
    if settings.fault is not None:
        rules = " ".join(settings.fault.split())
        rate = "" if settings.fault_rate == 1 else f" (rate {settings.fault_rate:g} where none is given)"
        parts.append(f"faults {shorten(rules, 200, placeholder=' ...')}{rate}")
    if settings.http2:
        parts.append("HTTP/2")
    if settings.tls != "off":
        parts.append(f"clients trust {settings.tls_directory / 'ca.pem'}")
    return ", ".join(parts)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # before the handlers stand
        sys.exit(INTERRUPTED)
