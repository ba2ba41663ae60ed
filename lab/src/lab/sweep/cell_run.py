"""What a sweep keeps of each run: enough to go on from there and to draw the figure without the run's document."""

from collections.abc import Sequence

from lab.comparison.noise import window_seconds
from lab.document_part import DocumentPart
from lab.prediction.workload import Forecast
from lab.run_document import RunDocument


class CellRun(DocumentPart):
    """One run of a cell. `settings` are the swept ones; `succeeded` has the requests a second that did not fail.

    `histogram` maps milliseconds to a count of responses. All is of the steady part of the run.
    """

    settings: dict[str, str]
    round: int
    run: str
    seconds: float
    requests: int
    failures: int
    succeeded: list[float]
    mean_ms: float | None
    histogram: dict[float, int]
    pool_wait_mean_ms: float | None
    bottleneck: str
    because: str
    caveats: list[str]
    forecast: Forecast | None


class CellFigures(DocumentPart):
    """All runs of a cell together. `failed_share` is of 1."""

    settings: dict[str, str]
    runs: list[str]
    requests: int
    failed_share: float
    throughput_rps: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    pool_wait_mean_ms: float | None
    bottleneck: str
    forecast: Forecast | None


def cell_run(document: RunDocument, settings: dict[str, str], round_number: int) -> CellRun:
    """Return what a sweep keeps of a run."""
    prediction = document.prediction
    return CellRun(
        settings=settings,
        round=round_number,
        run=document.id,
        seconds=document.window_seconds,
        requests=document.totals.requests,
        failures=document.totals.failures,
        succeeded=_succeeded(document),
        mean_ms=document.latency_ms.mean,
        histogram=document.latency_ms.histogram,
        pool_wait_mean_ms=document.pool.wait_ms.mean if document.pool else None,
        bottleneck=document.verdict.bottleneck,
        because=document.verdict.because,
        caveats=[caveat.because for caveat in document.verdict.caveats],
        forecast=prediction.forecast if prediction else None,
    )


def together(runs: Sequence[CellRun]) -> CellFigures:
    """Return the figures of the runs of one cell, one at least."""
    requests, seconds = sum(one.requests for one in runs), sum(one.seconds for one in runs)
    failures = sum(one.failures for one in runs)
    merged = merged_histogram(runs)
    waits = [one.pool_wait_mean_ms for one in runs if one.pool_wait_mean_ms is not None]
    means = [(one.mean_ms, one.requests) for one in runs if one.mean_ms is not None]
    answered = sum(count for _, count in means)
    return CellFigures(
        settings=runs[0].settings,
        runs=[one.run for one in runs],
        requests=requests,
        failed_share=failures / requests if requests else 0.0,
        throughput_rps=(requests - failures) / seconds if seconds else 0.0,
        mean_ms=sum(mean * count for mean, count in means) / answered if answered else None,
        p50_ms=quantile(merged, 0.5),
        p90_ms=quantile(merged, 0.9),
        p95_ms=quantile(merged, 0.95),
        p99_ms=quantile(merged, 0.99),
        pool_wait_mean_ms=sum(waits) / len(waits) if waits else None,
        bottleneck=runs[-1].bottleneck,
        forecast=next((one.forecast for one in reversed(runs) if one.forecast is not None), None),
    )


def merged_histogram(runs: Sequence[CellRun]) -> list[tuple[float, int]]:
    """Return (milliseconds, count) of all runs, in rising order."""
    counts: dict[float, int] = {}
    for run in runs:
        for milliseconds, count in run.histogram.items():
            counts[milliseconds] = counts.get(milliseconds, 0) + count
    return sorted(counts.items())


def quantile(histogram: Sequence[tuple[float, int]], share: float) -> float | None:
    """Return the value that a share of the counts does not exceed, None without any."""
    wanted = share * sum(count for _, count in histogram)
    for value, count in histogram:
        wanted -= count
        if wanted <= 0:
            return value
    return histogram[-1][0] if histogram else None


def _succeeded(document: RunDocument) -> list[float]:
    """Return the rate of each whole second of the steady part; one rate of all of it where there is no such second."""
    seconds = window_seconds(document, slack_seconds=0.1)
    rates = [(point.requests - point.failures) / length for point, length in seconds if length > 0.5]
    return rates or [document.totals.succeeded_rps]
