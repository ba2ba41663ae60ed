"""A comparison keeps its level: runs of equal settings do not differ, and a real change is seen in every pair."""

import random

import pytest

from lab.account.places import Place
from lab.account.window import Window
from lab.comparison.compare import Comparison, compare
from lab.comparison.noise import t_quantile, variance_of_mean
from lab.run_document import LatencyMs, RunDocument, SeriesPoint, Totals
from support.documents import account, pool, run_document


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


@pytest.mark.parametrize("seconds", [8, 20])
def test_runs_of_equal_settings_do_not_differ(seconds: int) -> None:
    """Of 200 pairs at most 6 have a figure that is said to differ: 1 % are allowed, 2 in the mean."""
    rng = random.Random(1)
    found = [compare([simulated(rng, seconds=seconds), simulated(rng, seconds=seconds)]) for _ in range(200)]
    assert sum(1 for each in found if differing(each)) <= 6
    assert sum("no figure differs by more than its noise" in each.sentence for each in found) >= 194


def test_a_change_of_the_pool_is_seen_in_every_pair() -> None:
    rng = random.Random(2)
    for _ in range(100):
        found = compare([simulated(rng), simulated(rng, rps=175.0)])
        assert {"throughput", "p50"} <= set(differing(found))


def test_too_few_seconds_say_nothing() -> None:
    """Nor does a run without a steady part."""
    rng = random.Random(3)
    for short in (simulated(rng, seconds=4), simulated(rng).model_copy(update={"window": None})):
        changes = {row.name: row.changes for row in compare([simulated(rng), short]).outcomes}
        assert changes["throughput"] == [None, None]


@pytest.mark.parametrize(
    ("error", "freedom", "expected"), [(0.05, 4, 2.776), (0.01, 10, 3.169), (0.001, 5, 6.869), (0.002, 200, 3.131)]
)
def test_quantiles_of_t(error: float, freedom: float, expected: float) -> None:
    """Two-sided, from a table."""
    assert t_quantile(error, freedom) == pytest.approx(expected, rel=1e-3)


def test_correlated_seconds_are_noisier_than_independent_ones() -> None:
    independent, _ = variance_of_mean([1.0, 3.0] * 30)
    correlated, _ = variance_of_mean([1.0] * 6 + [3.0] * 6 + [1.0] * 6 + [3.0] * 6)
    assert correlated > 3 * independent


def test_where_the_time_moved() -> None:
    """Places that changed by 2 % of the users' time, the largest first."""
    ten = run_document(attribution=account({Place.POOL_WAIT: 410.0, Place.UPSTREAM_WORK: 100.0}))
    twenty = run_document(attribution=account({Place.POOL_WAIT: 5.0, Place.UPSTREAM_QUEUE: 190.0}))
    assert [(row.name, row.values) for row in compare([ten, twenty]).moved] == [
        ("pool wait", [410.0, 5.0]),
        ("upstream queue", [0.0, 190.0]),
        ("upstream work", [100.0, 0.0]),
    ]
