"""Metrics in Prometheus' text format, and those of a client's pool by OpenTelemetry's names.

Names: OpenTelemetry's semantic conventions for HTTP metrics (`http.client.open_connections`,
`http.client.connection.duration`), in Prometheus' spelling, with the unit at the end; .NET's
`http.client.request.time_in_queue` for the wait. With the attributes that the conventions require of a connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from poolwatch.histogram import DURATION_BOUNDS_SECONDS, METRIC_BOUNDS_MS, Distribution, Durations, cumulative
from poolwatch.network import Origin

Labels = Mapping[str, str]
Buckets = Sequence[tuple[str, float]]
"""Cumulative counts by upper bound in seconds, +Inf last."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NONE: Final[Labels] = {}


class MetricsText:
    """Collects families, each with its help and type."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def gauge(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add figures that go up and down."""
        self._family(name, "gauge", text)
        self._lines += [_sample(name, labels, value) for labels, value in samples]

    def counter(self, name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add figures that only grow; the name's `_total` is added."""
        self._family(f"{name}_total", "counter", text)
        self._lines += [_sample(f"{name}_total", labels, value) for labels, value in samples]

    def histogram(self, name: str, text: str, samples: Iterable[tuple[Labels, Buckets, float]]) -> None:
        """Add durations by their distribution: buckets and the sum in seconds; the name's `_seconds` is added."""
        name = f"{name}_seconds"
        self._family(name, "histogram", text)
        for labels, buckets, total in samples:
            self._lines += [_sample(f"{name}_bucket", {**labels, "le": bound}, count) for bound, count in buckets]
            self._lines.append(_sample(f"{name}_count", labels, buckets[-1][1]))
            self._lines.append(_sample(f"{name}_sum", labels, total))

    def open_connections(self, connections: Iterable[tuple[Origin, str, int]]) -> None:
        """Add the connections there are, by server and by state, active or idle."""
        self.gauge(
            "http_client_open_connections",
            "Connections that are held by a request (active) or kept for the next (idle).",
            [({"http_connection_state": state, **server(origin)}, count) for origin, state, count in connections],
        )

    def connection_duration(self, durations: Iterable[tuple[Origin, Buckets, float]]) -> None:
        """Add how long the connections to each server lived."""
        self.histogram(
            "http_client_connection_duration",
            "How long connections lived; counted when they are closed.",
            [(server(origin), buckets, total) for origin, buckets, total in durations],
        )

    def time_in_queue(self, waits: Distribution, labels: Labels = NONE) -> None:
        """Add the waits for a connection."""
        self.histogram(
            "http_client_request_time_in_queue",
            "Time requests waited for a connection of the pool.",
            [(labels, cumulative(waits, METRIC_BOUNDS_MS), waits.sum_ms / 1e3)],
        )

    def _family(self, name: str, kind: str, text: str) -> None:
        self._lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def server(origin: Origin) -> Labels:
    """Return the attributes that every metric of a connection has."""
    return {"server_address": origin[0], "server_port": str(origin[1])}


def duration_buckets(durations: Durations | Distribution) -> Buckets:
    """Return how many connections lived up to each of OpenTelemetry's bounds."""
    if isinstance(durations, Distribution):
        return cumulative(durations, [bound * 1e3 for bound in DURATION_BOUNDS_SECONDS])
    counts = [sum(durations.counts[: number + 1]) for number in range(len(durations.counts))]
    bounds = [*(f"{bound:g}" for bound in DURATION_BOUNDS_SECONDS), "+Inf"]
    return list(zip(bounds, map(float, counts), strict=True))


def _sample(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in sorted(labels.items()))
    return f"{name}{{{shown}}} {float(value)!r}" if shown else f"{name} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
