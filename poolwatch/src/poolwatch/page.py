"""A watched pool as an ASGI app, to be mounted: JSON, Prometheus text, a line a connection.

Metrics have OpenTelemetry's names where it has them, in Prometheus' spelling. The text is written here, so that
prometheus-client is not needed.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from poolwatch.counters import Histogram, distribution
from poolwatch.histogram import DURATION_BOUNDS_SECONDS, METRIC_BOUNDS_MS, cumulative
from poolwatch.network import Origin
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
            kind, text = "text/plain; version=0.0.4; charset=utf-8", metrics(watch)
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
    now = watch.snapshot()
    states = Counter((each.origin, "active" if each.active else "idle") for each in list(watch.connections.open))
    lines = ["# TYPE http_client_open_connections gauge"]
    for (origin, state), count in sorted(states.items()):
        lines.append(f'http_client_open_connections{{http_connection_state="{state}",{_server(origin)}}} {count}')
    lines.append("# TYPE http_client_active_requests gauge")
    active: Counter[Origin] = Counter()
    for each in list(watch.connections.open):
        active[each.origin] += each.active
    for origin, count in sorted(active.items()):
        lines.append(f"http_client_active_requests{{{_server(origin)}}} {count}")
    lines.append("# TYPE http_client_connection_duration_seconds histogram")
    for origin, durations in sorted(watch.connections.durations.items()):
        total = 0
        bounds = [f"{bound:g}" for bound in DURATION_BOUNDS_SECONDS] + ["+Inf"]
        for bound, count in zip(bounds, durations.counts, strict=True):
            total += count
            lines.append(f'http_client_connection_duration_seconds_bucket{{le="{bound}",{_server(origin)}}} {total}')
        lines.append(f"http_client_connection_duration_seconds_sum{{{_server(origin)}}} {durations.sum_seconds}")
        lines.append(f"http_client_connection_duration_seconds_count{{{_server(origin)}}} {total}")
    wait = distribution(watch.monitor.cells, Histogram.WAIT)
    lines.append("# TYPE http_client_request_time_in_queue_seconds histogram")
    buckets = cumulative(wait, METRIC_BOUNDS_MS)
    lines += [f'http_client_request_time_in_queue_seconds_bucket{{le="{le}"}} {count:g}' for le, count in buckets]
    lines.append(f"http_client_request_time_in_queue_seconds_sum {wait.sum_ms / 1e3}")
    lines.append(f"http_client_request_time_in_queue_seconds_count {buckets[-1][1]:g}")
    for name, kind in (("waiting", "gauge"), ("opened", "counter"), ("reused", "counter"), ("timeouts", "counter")):
        full = f"poolwatch_{name}" + ("_total" if kind == "counter" else "")
        lines += [f"# TYPE {full} {kind}", f"{full} {now[name]}"]
    if now["max"] is not None:
        lines += ["# TYPE poolwatch_max_connections gauge", f"poolwatch_max_connections {now['max']}"]
    return "\n".join(lines) + "\n"


def _server(origin: Origin) -> str:
    host = origin[0].replace("\\", "\\\\").replace('"', '\\"')
    return f'server_address="{host}",server_port="{origin[1]}"'
