"""Metrics in Prometheus' text format, by OpenTelemetry's names where it has them. True sums over the workers.

Names: OpenTelemetry's semantic conventions for HTTP metrics (`http.client.open_connections`,
`http.client.connection.duration`, `http.client.request.duration`), .NET's `http.client.request.time_in_queue` for the
wait; in Prometheus' spelling, with the unit at the end. `proxy_` is before what has no such name.

It needs the package prometheus-client.
"""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from poolwatch.counters import Cell, Histogram
from poolwatch.histogram import METRIC_BOUNDS_MS, cumulative
from poolwatch.phases import NAMES
from poolwatch.pool_report import PoolLimits
from poolwatch.report import gauges
from poolwatch.worker_totals import Totals


def exposition(totals: Totals, limits: PoolLimits, *, ledger: bool, connections_known: bool = True) -> str:
    """Return all metrics as text; without `connections_known` those of connections are left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Totals(totals, limits, ledger, connections_known))
    return generate_latest(registry).decode()


class _Totals(Collector):
    def __init__(self, totals: Totals, limits: PoolLimits, ledger: bool, connections_known: bool) -> None:
        self._totals = totals
        self._limits = limits
        self._ledger = ledger
        self._connections_known = connections_known

    def collect(self) -> Iterator[Metric]:
        yield from self._pool()
        yield from self._requests()
        yield from self._durations()
        yield from self._workers_own()

    def _pool(self) -> Iterator[Metric]:
        now = gauges(self._totals)
        connections = GaugeMetricFamily(
            "http_client_open_connections",
            "Connections to the upstream that are held by a request (active) or kept for the next (idle).",
            labels=["http_connection_state"],
        )
        connections.add_metric(["active"], now["active"])
        if self._connections_known:
            connections.add_metric(["idle"], now["idle"])
        yield connections
        yield GaugeMetricFamily(
            "proxy_pool_max_connections",
            "Connections that the pools of all workers may hold.",
            self._limits.max_connections,
        )
        yield GaugeMetricFamily("proxy_pool_waiting", "Requests that wait for a connection.", now["waiting"])
        yield GaugeMetricFamily(
            "proxy_pool_abandoned", "Slots of requests that were given up.", self._totals[Cell.ABANDONED]
        )
        for name, text, cell in (
            ("opened", "Connections opened.", Cell.OPENED),
            ("closed", "Connections closed.", Cell.CLOSED),
            ("reused", "Requests sent on a connection that had served another.", Cell.REUSED),
            ("timeouts", "Requests that got no connection in time.", Cell.TIMEOUTS),
        ):
            if self._connections_known or cell == Cell.TIMEOUTS:
                yield CounterMetricFamily(f"proxy_pool_{name}", text, self._totals[cell])

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("proxy_requests", "Requests by what became of them.", labels=["outcome"])
        for outcome, cell in (("answered", Cell.ANSWERED), ("failed", Cell.FAILED), ("aborted", Cell.ABORTED)):
            requests.add_metric([outcome], self._totals[cell])
        yield requests
        errors = CounterMetricFamily("proxy_errors", "Errors the proxy answered for, by code.", labels=["error_type"])
        for code, count in self._totals.errors.items():
            errors.add_metric([code], count)
        yield errors
        yield CounterMetricFamily("proxy_retries", "Tries after a request's first.", self._totals[Cell.RETRIED])
        yield GaugeMetricFamily("http_server_active_requests", "Requests in the proxy.", self._totals[Cell.IN_FLIGHT])

    def _durations(self) -> Iterator[Metric]:
        for name, text, histogram in (
            (
                "http_client_request_time_in_queue",
                "Time requests waited for a connection of the pool.",
                Histogram.WAIT,
            ),
            (
                "http_client_connection_duration",
                "How long connections to the upstream lived; counted when they are closed.",
                Histogram.CONNECTION,
            ),
            ("proxy_event_loop_lag", "By how much the event loop ran late.", Histogram.LOOP_LAG),
        ):
            yield self._histogram(name, text, {(): histogram})
        if self._ledger:
            yield self._histogram(
                "http_server_request_duration", "Time requests spent in the proxy.", {(): Histogram.TOTAL}
            )
            yield self._histogram(
                "http_client_request_duration",
                "The same from their admission on: queue, connection, upstream, body.",
                {(): Histogram.REQUEST},
            )
            yield self._histogram(
                "proxy_request_phase_duration",
                "Where that time went; a request counts in each phase that the client can tell.",
                {(name,): Histogram(phase) for phase, name in enumerate(NAMES)},
                labels=["phase"],
            )

    def _workers_own(self) -> Iterator[Metric]:
        threads = GaugeMetricFamily(
            "proxy_threads",
            "Threads for `def` endpoints: those at work, those allowed, and calls that wait for one.",
            labels=["state"],
        )
        for state, cell in (
            ("busy", Cell.THREADS_BUSY),
            ("allowed", Cell.THREADS_TOTAL),
            ("waiting", Cell.THREADS_WAITING),
        ):
            threads.add_metric([state], self._totals[cell])
        yield threads
        cpu = CounterMetricFamily("proxy_worker_cpu_seconds", "CPU time of each worker.", labels=["pid"])
        for worker in self._totals.workers:
            cpu.add_metric([str(worker.pid)], worker[Cell.CPU_NS] / 1e9)
        yield cpu

    def _histogram(
        self, name: str, text: str, histograms: Mapping[tuple[str, ...], Histogram], labels: Sequence[str] = ()
    ) -> Metric:
        metric = HistogramMetricFamily(f"{name}_seconds", text, labels=labels)
        for values, histogram in histograms.items():
            durations = self._totals.distribution(histogram)
            metric.add_metric(values, cumulative(durations, METRIC_BOUNDS_MS), sum_value=durations.sum_ms / 1e3)
        return metric
