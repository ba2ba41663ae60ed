"""The mock adds what it drew: delivered minus drawn, on real sockets under an open load from another process."""

import random
import statistics

import httpx
import pytest

from support.open_load import Asked, in_line_for_a_core, open_load
from upstream_mock.timer_lag import TimerLag

RATE, SECONDS = 500, 3
MEDIAN_MS, P99_MS = 1.5, 5.0


def percentile(values: list[float], share: float) -> float:
    """The value in place `share` of the sorted list."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def p99_by_second(asked: list[Asked]) -> list[float]:
    """The 99th percentile of lateness in each second, in milliseconds."""
    seconds = [asked[start : start + RATE] for start in range(0, len(asked), RATE)]
    return [percentile([each.late_ms for each in second], 0.99) for second in seconds]


def measure(mock, say) -> tuple[list[float], float]:
    """One load: the p99 of each second, and the share of the time that the mock stood in line for a core."""
    in_line = in_line_for_a_core(mock.process.pid)
    asked = open_load(mock.data, [index / RATE for index in range(RATE * SECONDS)])
    waited = in_line() / SECONDS
    added = [each.took_ms - each.work_ms for each in asked]
    late = [each.late_ms for each in asked]
    by_second = p99_by_second(asked)
    say(
        f"delivered minus drawn at {RATE}/s, median and p99: {statistics.median(added):.2f} and "
        f"{percentile(added, 0.99):.2f} ms by the client's clock, {statistics.median(late):.2f} and "
        f"{percentile(late, 0.99):.2f} ms by the mock's, in the median second {statistics.median(by_second):.2f} ms; "
        f"the mock stood in line for a core for {waited:.1%} of the time"
    )
    assert {each.status for each in asked} == {200}
    assert min(added) >= 0
    assert statistics.median(added) <= MEDIAN_MS
    return by_second, waited


def test_it_adds_what_it_drew(start_process, say) -> None:
    """At 500 requests a second: at the median 1.5 ms more at most by the client's clock, 5 ms at the p99, never less.

    The p99 is that of the median second. If the machine gave the core to others for more than 1 % of the time, it is
    measured again, and that of the quietest second counts: a mock that is late by itself is so in every second.
    """
    mock = start_process(UPSTREAM_LATENCY="lognormal(50ms, p99=200ms)")
    mock.line()
    by_second, waited = measure(mock, say)
    p99 = statistics.median(by_second)
    if p99 > P99_MS and waited > 0.01:
        p99 = min(by_second + measure(mock, say)[0])
    assert p99 <= P99_MS
    stats = httpx.get(f"http://127.0.0.1:{mock.control}/-/stats").json()["lateness_ms"]
    assert stats["p50"] <= MEDIAN_MS


def test_the_quantiles_are_those_of_the_waits() -> None:
    """To 2.5 % and a microsecond or two, from microseconds to an hour, and never above the largest."""
    draw, lateness = random.Random(4), TimerLag()
    values = [draw.lognormvariate(-1, 2) for _ in range(20_000)]
    for value in values:
        lateness.add(value)
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        assert lateness.quantile_ms(share) == pytest.approx(percentile(values, share), rel=0.04, abs=0.002)
    assert lateness.quantile_ms(1.0) <= max(values)
    said = lateness.as_json()
    assert said["count"] == 20_000
    assert said["p50"] == lateness.quantile_ms(0.5) < said["p99"] < said["max"] == max(values)


def test_any_lateness_finds_a_bucket() -> None:
    """Also none at all, a clock that went back, and more than an hour."""
    lateness = TimerLag()
    for value in (0.0, -0.001, 1e-9, 3.6e6, 1e12):
        lateness.add(value)
    assert lateness.count == 5
    assert lateness.quantile_ms(0.5) < 0.001
    assert lateness.quantile_ms(1.0) == pytest.approx(3.6e6, rel=0.05)


def test_reset_forgets_every_wait() -> None:
    """Count, sum, extreme and quantiles."""
    lateness = TimerLag()
    lateness.add(5.0)
    lateness.reset()
    assert lateness == TimerLag()
    assert lateness.as_json() == {"count": 0, "mean": 0.0, "p50": 0.0, "p99": 0.0, "max": 0.0, "histogram": {}}
