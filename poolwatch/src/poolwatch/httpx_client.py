"""Observing httpx's and httpx2's clients: their pools' network backend, and their transports' handler.

Private names that are touched, and nothing else: `_transport` and `_mounts` of a client, `_pool` of a transport,
`_network_backend` and `_max_connections` of a pool, `_httpcore_stream` of a response's stream.
"""

import sys
from collections.abc import Iterator
from typing import Any

from poolwatch.monitor import Monitor
from poolwatch.network import Report, WatchedAsyncBackend
from poolwatch.threaded_network import WatchedBackend
from poolwatch.trace import current
from poolwatch.watch import Label, Watch

_IN_USE = "the client is in use or observed already; observe it once, before its first request"


def observe_httpx(
    client: Any,
    label: Label | None,
    held_seconds: float | None,
    monitor: Monitor | None = None,
    report: Report | None = None,
) -> Watch:
    """Watch all pools of a client, those of its mounts included. Raises ValueError."""
    transports = list(_transports(client))
    if not transports:
        raise ValueError("the client has no transport with a pool of httpcore or httpcore2: nothing to observe")
    pools = [transport._pool for transport in transports]
    for pool in pools:
        if pool.connections or isinstance(pool._network_backend, WatchedAsyncBackend | WatchedBackend):
            raise ValueError(_IN_USE)

    def limit() -> int | None:
        most = sum(pool._max_connections for pool in pools)
        return most if most < sys.maxsize else None

    threads = not hasattr(transports[0], "handle_async_request")
    watch = Watch(limit, label, held_seconds, threads=threads, monitor=monitor, report=report)
    for transport in transports:
        pool = transport._pool
        backend = WatchedBackend if threads else WatchedAsyncBackend
        pool._network_backend = backend(pool._network_backend, watch.connections)
        if threads:
            _watch_handler(transport, watch)
        else:
            _watch_async_handler(transport, watch)
    return watch


def _transports(client: Any) -> Iterator[Any]:
    found = (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values())
    seen = {id(each): each for each in found if each is not None}
    for transport in seen.values():
        if hasattr(getattr(transport, "_pool", None), "_network_backend"):
            yield transport


def _watch_async_handler(transport: Any, watch: Watch) -> None:
    handle = transport.handle_async_request

    async def handle_async_request(request: Any) -> Any:
        path = request.url.raw_path.partition(b"?")[0]
        trace, own = watch.begin(request.method, path, request.headers.get("x-request-id", ""), request)
        token = current.set(trace)
        try:
            response = await handle(request)
        except BaseException as error:
            watch.fail(trace, own, error)
            raise
        finally:
            current.reset(token)
        trace.head_received()
        if not own:
            trace.times.upstream_headers = response.headers.raw
        stream = getattr(response.stream, "_httpcore_stream", response.stream)
        close = stream.aclose

        async def aclose() -> None:
            # first: the next request may have the connection before closing returns
            if stream.__dict__.pop("aclose", None) is not None:
                watch.end(trace, own)
            await close()

        stream.aclose = aclose
        return response

    transport.handle_async_request = handle_async_request


def _watch_handler(transport: Any, watch: Watch) -> None:
    handle = transport.handle_request

    def handle_request(request: Any) -> Any:
        path = request.url.raw_path.partition(b"?")[0]
        trace, own = watch.begin(request.method, path, request.headers.get("x-request-id", ""), request)
        token = current.set(trace)
        try:
            response = handle(request)
        except BaseException as error:
            watch.fail(trace, own, error)
            raise
        finally:
            current.reset(token)
        watch.report(trace.head_received)
        if not own:
            trace.times.upstream_headers = response.headers.raw
        stream = getattr(response.stream, "_httpcore_stream", response.stream)
        close = stream.close

        def end_and_close() -> None:
            if stream.__dict__.pop("close", None) is not None:
                watch.end(trace, own)
            close()

        stream.close = end_and_close
        return response

    transport.handle_request = handle_request
