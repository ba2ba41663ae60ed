"""A watched pool as an ASGI app, to be mounted: JSON, Prometheus text, a line a connection.

Waits are of the client as a whole, not by server, as the limit is.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from poolwatch.counters import Histogram
from poolwatch.metrics import CONTENT_TYPE, NONE, MetricsText, duration_buckets, server
from poolwatch.network import Origin
from poolwatch.recorded_times import distribution
from poolwatch.watch import Watch

App = Callable[[Any, Any, Any], Awaitable[None]]


def page(watch: Watch) -> App:
    """Return an app that answers `/` with the snapshot, `/metrics` and `/connections` with text."""

    async def app(scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        kind, status = "text/plain; charset=utf-8", 200
        if path == "":
            kind, text = "application/json", json.dumps(watch.snapshot(), indent=1) + "\n"
        elif path == "metrics":
            kind, text = CONTENT_TYPE, metrics(watch)
        elif path == "connections":
            text = "".join(f"{each}\n" for each in connection_lines(watch))
        else:
            status, text = 404, "there are /, /metrics and /connections\n"
        body = text.encode()
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def connection_lines(watch: Watch) -> list[str]:
    """Return a line for each open connection."""
    return [
        f"{each.origin[0]}:{each.origin[1]} {'active' if each.active else 'idle'} "
        f"age={each.age_seconds:.1f}s requests={each.requests}"
        for each in list(watch.connections.open)
    ]


def metrics(watch: Watch) -> str:
    """Return the pool's metrics in Prometheus' text format."""
    now, text = watch.snapshot(), MetricsText()
    states: Counter[tuple[Origin, str]] = Counter()
    active: Counter[Origin] = Counter()
    for each in list(watch.connections.open):
        states[each.origin, "active" if each.active else "idle"] += 1
        active[each.origin] += each.active
    text.open_connections([(*place, count) for place, count in sorted(states.items())])
    requests = [(server(origin), count) for origin, count in sorted(active.items())]
    text.gauge("http_client_active_requests", "Requests that hold a connection.", requests)
    lived = sorted(watch.connections.durations.items())
    text.connection_duration([(origin, duration_buckets(each), each.sum_seconds) for origin, each in lived])
    text.time_in_queue(distribution(watch.monitor.cells, Histogram.WAIT))
    text.gauge("poolwatch_waiting", "Requests that wait for a connection.", [(NONE, now["waiting"])])
    for name, sentence in (
        ("opened", "Connections opened."),
        ("reused", "Requests sent on a connection that had served another."),
        ("timeouts", "Requests that got no connection in time."),
    ):
        text.counter(f"poolwatch_{name}", sentence, [(NONE, now[name])])
    if now["max"] is not None:
        text.gauge("poolwatch_max_connections", "Connections that the pool may hold.", [(NONE, now["max"])])
    return str(text)
