"""The metrics of a proxy's workers, true sums over all of them. `proxy_` is before what has no name in the field.

`http.client.request.duration` has no method: a worker counts requests by their phases.
"""

from collections.abc import Mapping

from poolwatch.counters import Cell, Histogram
from poolwatch.histogram import METRIC_BOUNDS_MS, cumulative
from poolwatch.metrics import NONE, Labels, MetricsText, duration_buckets, server
from poolwatch.network import Origin
from poolwatch.phases import NAMES
from poolwatch.pool_report import PoolLimits
from poolwatch.report import gauges
from poolwatch.worker_totals import Totals


def worker_metrics(
    totals: Totals, limits: PoolLimits, origin: Origin, *, ledger: bool, connections_known: bool = True
) -> str:
    """Return all metrics as text; `origin` is the upstream's host and port.

    Without `connections_known` those of connections are left out, without `ledger` those of the phases.
    """
    text = MetricsText()
    _add_pool(text, totals, limits, origin, connections_known)
    _add_requests(text, totals)
    _add_durations(text, totals, origin)
    if ledger:
        _add_phases(text, totals, origin)
    _add_workers(text, totals)
    return str(text)


def _add_pool(text: MetricsText, totals: Totals, limits: PoolLimits, origin: Origin, connections_known: bool) -> None:
    now = gauges(totals)
    states = ("active", "idle") if connections_known else ("active",)
    text.open_connections([(origin, state, now[state]) for state in states])
    for name, sentence, value in (
        ("max_connections", "Connections that the pools of all workers may hold.", limits.max_connections),
        ("waiting", "Requests that wait for a connection.", now["waiting"]),
        ("abandoned", "Slots of requests that were given up.", totals[Cell.ABANDONED]),
    ):
        text.gauge(f"proxy_pool_{name}", sentence, [(NONE, value)])
    for name, sentence, cell in (
        ("opened", "Connections opened.", Cell.OPENED),
        ("closed", "Connections closed.", Cell.CLOSED),
        ("reused", "Requests sent on a connection that had served another.", Cell.REUSED),
        ("timeouts", "Requests that got no connection in time.", Cell.TIMEOUTS),
    ):
        if connections_known or cell == Cell.TIMEOUTS:
            text.counter(f"proxy_pool_{name}", sentence, [(NONE, totals[cell])])


def _add_requests(text: MetricsText, totals: Totals) -> None:
    outcomes = (("answered", Cell.ANSWERED), ("failed", Cell.FAILED), ("aborted", Cell.ABORTED))
    text.counter(
        "proxy_requests",
        "Requests by what became of them.",
        [({"outcome": outcome}, totals[cell]) for outcome, cell in outcomes],
    )
    text.counter(
        "proxy_errors",
        "Errors the proxy answered for, by code.",
        [({"error_type": code}, count) for code, count in totals.errors.items()],
    )
    text.counter("proxy_retries", "Tries after a request's first.", [(NONE, totals[Cell.RETRIED])])
    text.gauge("http_server_active_requests", "Requests in the proxy.", [(NONE, totals[Cell.IN_FLIGHT])])


def _add_durations(text: MetricsText, totals: Totals, origin: Origin) -> None:
    text.time_in_queue(totals.distribution(Histogram.WAIT), server(origin))
    lived = totals.distribution(Histogram.CONNECTION)
    text.connection_duration([(origin, duration_buckets(lived), lived.sum_ms / 1e3)])
    _add_histogram(
        text, totals, "proxy_event_loop_lag", "By how much the event loop ran late.", {Histogram.LOOP_LAG: NONE}
    )


def _add_phases(text: MetricsText, totals: Totals, origin: Origin) -> None:
    for name, sentence, histograms in (
        ("http_server_request_duration", "Time requests spent in the proxy.", {Histogram.TOTAL: NONE}),
        (
            "http_client_request_duration",
            "The same from their admission on: queue, connection, upstream, body.",
            {Histogram.REQUEST: server(origin)},
        ),
        (
            "proxy_request_phase_duration",
            "Where that time went; a request counts in each phase that the client can tell.",
            {Histogram(phase): {"phase": name} for phase, name in enumerate(NAMES)},
        ),
    ):
        _add_histogram(text, totals, name, sentence, histograms)


def _add_workers(text: MetricsText, totals: Totals) -> None:
    states = (("busy", Cell.THREADS_BUSY), ("allowed", Cell.THREADS_TOTAL), ("waiting", Cell.THREADS_WAITING))
    text.gauge(
        "proxy_threads",
        "Threads for `def` endpoints: those at work, those allowed, and calls that wait for one.",
        [({"state": state}, totals[cell]) for state, cell in states],
    )
    text.counter(
        "proxy_worker_cpu_seconds",
        "CPU time of each worker.",
        [({"pid": str(worker.pid)}, worker[Cell.CPU_NS] / 1e9) for worker in totals.workers],
    )


def _add_histogram(
    text: MetricsText, totals: Totals, name: str, sentence: str, histograms: Mapping[Histogram, Labels]
) -> None:
    samples = []
    for histogram, labels in histograms.items():
        durations = totals.distribution(histogram)
        samples.append((labels, cumulative(durations, METRIC_BOUNDS_MS), durations.sum_ms / 1e3))
    text.histogram(name, sentence, samples)
