"""A mock upstream: as slow, as busy and as faulty as its environment sets."""

import asyncio
import sys
from functools import partial
from textwrap import shorten

from service_kit.command import run
from service_kit.listening import listen
from service_kit.settings_errors import load
from service_kit.variables import variable_name
from upstream_mock.settings import Settings


def main(arguments: list[str]) -> int:
    return run(
        "upstream_mock",
        arguments,
        description=__doc__ or "",
        models=(Settings,),
        load=lambda: load(Settings)[0],
        config=Settings.as_config,
        serve=_serve,
    )


def _serve(settings: Settings) -> int:
    variable = partial(variable_name, Settings)
    taken = partial(listen, settings.host, host_variable=variable("host"))
    with (
        taken(settings.port, port_variable=variable("port"), backlog=settings.backlog) as data,
        taken(settings.control_port, port_variable=variable("control_port")) as control,
    ):
        tls = None
        if settings.tls != "off":  # before the imports that take long, because the proxy may wait for ca.pem
            from upstream_mock.certificates import server_context

            tls = server_context(settings)
        # Here, because FastAPI takes half a second to import, which --check and a port in use need not wait for.
        from upstream_mock.server import loop_factory, serve
        from upstream_mock.state import Mock

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            announce = partial(print, _banner(settings), flush=True)
            return runner.run(serve(Mock(settings), data, control, announce, tls))


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
    except KeyboardInterrupt:  # before the signal handlers are set
        sys.exit(130)
