"""The mock adds what it drew: delivered minus drawn, on real sockets under an open load from another process."""

import statistics

import httpx

from support.open_load import Asked, in_line_for_a_core, open_load

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
