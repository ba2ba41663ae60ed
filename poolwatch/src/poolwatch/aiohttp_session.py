"""Observing aiohttp's session: its public trace hooks, and its connector's public `connect`.

Two names are not documented: `closed` of a connection's protocol, without which no closing is counted, which is logged
once, and `_conns` of a connector, without which a session in use is not refused.
"""

import logging
from typing import Any

from poolwatch.monitor import Monitor
from poolwatch.network import Connection, Report
from poolwatch.trace import RequestTrace, current
from poolwatch.watch import Label, Watch


def observe_aiohttp(
    session: Any,
    label: Label | None,
    held_seconds: float | None,
    monitor: Monitor | None = None,
    report: Report | None = None,
) -> Watch:
    """Watch the pool of a session. Raises ValueError."""
    connector = session.connector
    if connector is None or "connect" in vars(connector) or getattr(connector, "_conns", None):
        raise ValueError("the session is closed, in use or observed already; observe it once, before its first request")
    watch = Watch(lambda: connector.limit or None, label, held_seconds, threads=False, monitor=monitor, report=report)
    session.trace_configs.append(_hooks(watch))
    known: dict[Any, Connection] = {}
    connect = connector.connect

    async def watched_connect(request: Any, *args: Any, **options: Any) -> Any:
        connection = await connect(request, *args, **options)
        protocol = connection.protocol
        used = known.get(protocol)
        if used is None:
            url = request.url
            used = known[protocol] = watch.connections.opened(url.host or "", url.port or 0)
            closed = getattr(protocol, "closed", None)
            if closed is not None:
                closed.add_done_callback(lambda _: known.pop(protocol).closed() if protocol in known else None)
            elif len(known) == 1 and not hasattr(protocol, "closed"):
                logging.getLogger("poolwatch").warning("this aiohttp does not report that a connection was closed")
        trace = current.get()
        if trace is not None:
            used.used_by(trace)
            trace.sent()
            connection.add_callback(trace.released)
        return connection

    connector.connect = watched_connect
    return watch


def _hooks(watch: Watch) -> Any:
    import aiohttp

    hooks = aiohttp.TraceConfig()

    async def began(_: Any, context: Any, params: Any) -> None:
        path = params.url.raw_path.encode()
        context.trace, context.own = watch.begin(params.method, path, params.headers.get("x-request-id", ""), params)
        context.token = current.set(context.trace)

    async def connecting(_: Any, context: Any, __: Any) -> None:
        context.trace.connecting()

    async def connected(_: Any, context: Any, __: Any) -> None:
        context.trace.connected()

    async def ended(_: Any, context: Any, __: Any) -> None:
        trace: RequestTrace = context.trace
        current.reset(context.token)
        trace.head_received()
        if not trace.granted:  # read whole by now
            watch.end(trace, context.own)

    async def failed(_: Any, context: Any, params: Any) -> None:
        current.reset(context.token)
        watch.fail(context.trace, context.own, params.exception)

    hooks.on_request_start.append(began)
    hooks.on_connection_create_start.append(connecting)
    hooks.on_connection_create_end.append(connected)
    hooks.on_request_end.append(ended)
    hooks.on_request_exception.append(failed)
    hooks.freeze()
    return hooks
