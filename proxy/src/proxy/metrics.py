"""Metrics in Prometheus' text format, by OpenTelemetry's names where it has them. True sums over the workers.

Names: OpenTelemetry semantic conventions for HTTP metrics (`http.client.open_connections`), .NET's
`http.client.request.time_in_queue` for the wait.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.board import Sums
from proxy.counters import BOUNDS_MS, Cell
from proxy.pool import gauges
from proxy.settings import Settings

_SHOWN_BOUNDS_MS = BOUNDS_MS[::5]
"""Four buckets to the decade are enough for a dashboard."""


def exposition(sums: Sums, settings: Settings, workers: int) -> str:
    """Return all metrics as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sums(sums, settings, workers))
    return generate_latest(registry).decode()


class _Sums(Collector):
    def __init__(self, sums: Sums, settings: Settings, workers: int) -> None:
        self._sums = sums
        self._settings = settings
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        yield from self._pool()
        yield from self._requests()
        yield self._time_in_queue()

    def _pool(self) -> Iterator[Metric]:
        now = gauges(self._sums)
        connections = GaugeMetricFamily(
            "http_client_open_connections",
            "Connections to the upstream that are held by a request (active) or kept for the next (idle).",
            labels=["http_connection_state"],
        )
        connections.add_metric(["active"], now["active"])
        connections.add_metric(["idle"], now["idle"])
        yield connections
        yield GaugeMetricFamily(
            "proxy_pool_max_connections",
            "Connections that the pools of all workers may hold.",
            self._workers * self._settings.max_connections,
        )
        yield GaugeMetricFamily("proxy_pool_waiting", "Requests that wait for a connection.", now["waiting"])
        for name, text, cell in (
            ("opened", "Connections opened.", Cell.OPENED),
            ("closed", "Connections closed.", Cell.CLOSED),
            ("reused", "Requests sent on a connection that had served another.", Cell.REUSED),
            ("timeouts", "Requests that got no connection in time.", Cell.TIMEOUTS),
        ):
            yield CounterMetricFamily(f"proxy_pool_{name}", text, self._sums[cell])

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("proxy_requests", "Requests by what became of them.", labels=["outcome"])
        for outcome, cell in (("answered", Cell.ANSWERED), ("failed", Cell.FAILED), ("aborted", Cell.ABORTED)):
            requests.add_metric([outcome], self._sums[cell])
        yield requests
        errors = CounterMetricFamily("proxy_errors", "Errors the proxy answered for, by code.", labels=["error_type"])
        for code, count in self._sums.errors.items():
            errors.add_metric([code], count)
        yield errors
        yield GaugeMetricFamily("http_server_active_requests", "Requests in the proxy.", self._sums[Cell.IN_FLIGHT])

    def _time_in_queue(self) -> Metric:
        histogram = self._sums.wait_histogram
        buckets = [
            (f"{shown / 1000:g}", float(sum(count for bound, count in histogram.items() if bound <= shown)))
            for shown in _SHOWN_BOUNDS_MS
        ]
        buckets.append(("+Inf", float(self._sums[Cell.WAIT_COUNT])))
        metric = HistogramMetricFamily(
            "http_client_request_time_in_queue_seconds", "Time requests waited for a connection of the pool."
        )
        metric.add_metric([], buckets, sum_value=self._sums[Cell.WAIT_NS] / 1e9)
        return metric
