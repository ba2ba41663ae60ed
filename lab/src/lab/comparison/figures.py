"""The figures of a run that are compared, each with its noise where it is known. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.comparison.change import PerSecond
from lab.comparison.noise import THROUGHPUT_SPREAD
from lab.emulation import EmulatorStats, Network
from lab.run_document import RunDocument, SeriesPoint
from lab.wording import measured_ms, with_unit


@dataclass(frozen=True)
class Figure:
    """One figure. `rare`: it is shown only where one of the runs has any."""

    name: str
    unit: str
    of: Callable[[RunDocument], float | None]
    noise: PerSecond | None = None
    rare: bool = False

    @property
    def title(self) -> str:
        return with_unit(self.name, self.unit)

    @property
    def noise_words(self) -> str:
        """Return by how much two runs differ on a quiet machine, as a share."""
        return f"{self.noise.relative:.1%}" if self.noise else "?"

    def mean(self, runs: Sequence[RunDocument]) -> float | None:
        """Return the mean over the runs that have it."""
        values = [value for run in runs if (value := self.of(run)) is not None]
        return sum(values) / len(values) if values else None


def _round_trip_ms(network: Network | None) -> float | None:
    return measured_ms(network) if network and network.emulated else None


def _injected(emulator: EmulatorStats | None) -> float | None:
    return sum(emulator.injected.values()) if emulator is not None and emulator.injected is not None else None


def _failures_per_second(run: RunDocument) -> float | None:
    return run.totals.failures / run.window_seconds if run.window_seconds else None


def _pool_wait_ms(point: SeriesPoint, seconds: float) -> float | None:
    """Return the mean wait for a connection in one second, by Little's law."""
    if point.pool_waiting is None or not point.requests:
        return None
    return 1e3 * point.pool_waiting * seconds / point.requests


THROUGHPUT = Figure(
    "throughput",
    "requests/s",
    lambda run: run.totals.succeeded_rps,
    PerSecond.of_rate(lambda point: point.requests - point.failures, THROUGHPUT_SPREAD),
)
P50 = Figure("p50", "ms", lambda run: run.latency_ms.p50, PerSecond(lambda point, _: point.p50_ms, 0.01, 0.5))

FIGURES: Sequence[Figure] = (
    THROUGHPUT,
    P50,
    Figure("p99", "ms", lambda run: run.latency_ms.p99, PerSecond(lambda point, _: point.p99_ms, 0.05, 0.5)),
    Figure(
        "first byte, p50",
        "ms",
        lambda run: run.first_byte_ms.p50 if run.first_byte_ms else None,
        PerSecond(lambda point, _: point.first_byte_p50_ms, 0.01, 0.5),
    ),
    Figure(
        "pool wait, mean",
        "ms",
        lambda run: run.pool.wait_ms.mean if run.pool else None,
        PerSecond(_pool_wait_ms, 0.03, 1.0),
    ),
    Figure(
        "connections busy, mean",
        "",
        lambda run: run.pool.active_mean if run.pool else None,
        PerSecond(lambda point, _: point.pool_active, 0.015, 0.1),
    ),
    Figure(
        "requests waiting, mean",
        "",
        lambda run: run.pool.waiting_mean if run.pool else None,
        PerSecond(lambda point, _: point.pool_waiting, 0.03, 0.1),
    ),
    Figure("connections opened", "", lambda run: run.pool.opened if run.pool else None),
    Figure("pool time-outs", "", lambda run: run.pool.timeouts if run.pool else None),
    Figure("requests", "", lambda run: run.totals.requests),
    Figure("failures", "", lambda run: run.totals.failures),
    Figure("failures/s", "", _failures_per_second, PerSecond.of_rate(lambda point: point.failures, 0.1, counts=True)),
    Figure(
        "proxy CPU",
        "cores",
        lambda run: run.cpu_cores.get("proxy"),
        PerSecond(lambda point, _: point.proxy_cpu_cores, 0.08, 0.005),
    ),
    Figure("Locust CPU", "cores", lambda run: run.cpu_cores.get("generator")),
    Figure("round trip as measured", "ms", lambda run: _round_trip_ms(run.network), rare=True),
    Figure(
        "refused by the upstream's queue", "", lambda run: run.upstream.refused if run.upstream else None, rare=True
    ),
    Figure("faults injected", "", lambda run: _injected(run.upstream), rare=True),
    Figure("affected by the network", "", lambda run: _injected(run.link), rare=True),
)
"""In the order in which they are shown."""
