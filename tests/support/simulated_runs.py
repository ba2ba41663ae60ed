"""Run documents whose seconds vary as those of real runs do, and what a comparison of them finds."""

import random

from lab.account.window import Window
from lab.comparison.compare import Comparison
from lab.run_document import LatencyMs, RunDocument, SeriesPoint, Totals
from support.documents import pool, run_document


def simulated(rng: random.Random, *, rps: float = 90.0, seconds: int = 8, correlation: float = 0.3) -> RunDocument:
    """A run whose seconds are correlated and which differs from others of its kind by 1.5 %."""
    rps *= rng.gauss(1, 0.015)
    deviation, points = 0.0, []
    for second in range(seconds + 1):
        deviation = correlation * deviation + rng.gauss(0, 0.06)
        served = round(rps * (1 + deviation))
        p50 = 20_000 / rps * rng.gauss(1, 0.03)
        p99 = p50 * 1.3 * rng.gauss(1, 0.06)
        points.append(
            SeriesPoint(
                t_seconds=second + 1.0, users=20, requests=served, failures=0, p50_ms=p50, p99_ms=p99,
                pool_active=10, pool_waiting=round(rng.gauss(10, 1)), proxy_cpu_cores=0.3 * rng.gauss(1, 0.1),
            )
        )  # fmt: skip
    of = points[1:]
    means = {name: sum(getattr(point, name) for point in of) / seconds for name in ("requests", "p50_ms", "p99_ms")}
    return run_document(
        window=Window(begin_seconds=1.0, end_seconds=seconds + 1.0, steady=True),
        window_seconds=float(seconds),
        totals=Totals(requests=sum(point.requests for point in of), failures=0, rps=means["requests"]),
        latency_ms=LatencyMs(p50=means["p50_ms"], p99=means["p99_ms"]),
        pool=pool(active_mean=10.0, waiting_mean=sum(point.pool_waiting or 0 for point in of) / seconds),
        cpu_cores={"proxy": sum(point.proxy_cpu_cores or 0 for point in of) / seconds},
        series=points,
    )


def differing(found: Comparison) -> list[str]:
    return [row.name for row in found.outcomes if any(each is not None and each.differs for each in row.changes)]
