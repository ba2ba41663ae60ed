"""The counters as Prometheus reads them (text format 0.0.4)."""

from collections.abc import Iterator

from upstream_mock.state import Mock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = dict[str, float]
"""Labels as in the output, such as `{by="client"}` or the empty string, to a value."""


def render(mock: Mock) -> str:
    """All metrics of a mock; runs are left out, since each would be a time series of its own."""
    return "".join(_family(*family) for family in _families(mock))


def _families(mock: Mock) -> Iterator[tuple[str, str, str, Samples]]:
    connections, total, capacity, lateness = mock.connections, mock.requests.total, mock.capacity, mock.lateness
    yield "upstream_connections_accepted_total", "counter", "Connections accepted.", {"": connections.accepted}
    closed = {f'{{by="{by}"}}': float(count) for by, count in connections.closed_by.items()}
    yield "upstream_connections_closed_total", "counter", "Connections closed, by which side.", closed
    yield "upstream_connections_open", "gauge", "Connections open now.", {"": len(connections.open)}
    yield "upstream_requests_started_total", "counter", "Requests that came.", {"": total.started}
    ended = {'{outcome="completed"}': float(total.completed), '{outcome="abandoned"}': float(total.abandoned)}
    yield "upstream_requests_ended_total", "counter", "Requests answered, or left by their client.", ended
    yield "upstream_requests_faulted_total", "counter", "Of the abandoned: cut by a fault.", {"": total.faulted}
    yield "upstream_requests_in_flight", "gauge", "Requests being worked on or waiting.", {"": total.in_flight}
    yield "upstream_capacity_busy", "gauge", "Servers at work on /work.", {"": capacity.busy}
    yield "upstream_capacity_waiting", "gauge", "Requests to /work waiting for a server.", {"": capacity.waiting}
    yield (
        "upstream_capacity_refused_total",
        "counter",
        "Requests to /work that found the queue full.",
        {"": capacity.refused},
    )
    # An empty summary has no quantiles.
    shares = (0.5, 0.99) if lateness.count else ()
    late = {f'{{quantile="{share}"}}': lateness.quantile_ms(share) / 1e3 for share in shares}
    late |= {"_count": float(lateness.count), "_sum": lateness.sum_ms / 1e3}
    yield "upstream_lateness_seconds", "summary", "Latency delivered minus latency drawn.", late
    yield from _handshakes(mock)
    if mock.log is not None:
        kept = {
            "requests": len(mock.log),
            "connections": connections.remembered,
            "executions": len(mock.log.executions),
        }
        rows = {f'{{log="{name}"}}': float(count) for name, count in kept.items()}
        yield "upstream_log_entries", "gauge", "Rows that the logs remember.", rows
        forgotten = mock.log.executions.forgotten
        yield "upstream_log_executions_forgotten_total", "counter", "Ids of POSTs forgotten.", {"": forgotten}
    if applied := {f'{{fault="{name}"}}': float(count) for name, count in mock.faults.applied.items()}:
        yield "upstream_faults_total", "counter", "Requests affected by a fault.", applied


def _handshakes(mock: Mock) -> Iterator[tuple[str, str, str, Samples]]:
    if mock.settings.tls == "off":
        return
    tls = mock.handshakes
    ended = {'{outcome="done"}': float(tls.done), '{outcome="left"}': float(tls.left)}
    ended['{outcome="failed"}'] = float(tls.failed.total())
    yield "upstream_tls_handshakes_total", "counter", "TLS handshakes, done or not; left is by the client.", ended
    yield "upstream_tls_resumed_total", "counter", "Of those done: sessions that were resumed.", {"": tls.resumed}


def _family(name: str, kind: str, text: str, samples: Samples) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{labels} {value:.12g}" for labels, value in samples.items()]
    return "\n".join(lines) + "\n"
