"""Sweeps: the values of a command line, the order, the knee and the search. Pure."""

import math
import random

import pytest

from lab.objective import parse_objective
from lab.sweep.axes import AxisError, axes_of, cells_of, rounds, split_values
from lab.sweep.cell_run import CellRun
from lab.sweep.curves import forecast_at
from lab.sweep.knee import knee, throughput_interval
from lab.sweep.margin import Margin, expected_log_ratio
from lab.sweep.plan import Plan
from lab.sweep.report import report_of
from lab.sweep.search import Search
from support.reported import reported


def test_commas_within_brackets_part_no_values() -> None:
    assert split_values("lognormal(80ms, p99=600ms),constant(1s)") == ["lognormal(80ms, p99=600ms)", "constant(1s)"]


def test_numbers_rise_and_single_values_are_fixed() -> None:
    axes, fixed = axes_of({"PROXY_MAX_CONNECTIONS": "20,5,10", "PROXY_CLIENT": "httpx"})
    assert [axis.values for axis in axes] == [("5", "10", "20")]
    assert fixed == {"PROXY_CLIENT": "httpx"}


@pytest.mark.parametrize("value", ["5", "5,5", "9..3", "0..5"])
def test_what_cannot_be_swept_is_refused(value: str) -> None:
    with pytest.raises(AxisError):
        axes_of({"PROXY_MAX_CONNECTIONS": value})


def test_each_round_has_every_cell_once_in_an_order_of_its_own() -> None:
    cells = cells_of(axes_of({"A": "1,2,3,4", "B": "x,y"})[0])
    order = [cell for _, cell in rounds(cells, 2, seed=1)]
    assert sorted(order[:8]) == sorted(order[8:]) == sorted(cells)
    assert order[:8] != order[8:]


def test_the_knee_is_the_smallest_value_near_the_best() -> None:
    runs = [[[50.0, 51, 49, 50]], [[99.0, 101, 100, 100]], [[99.0, 100, 101, 100]]]
    found = knee("N", ["5", "10", "20"], runs, {})
    assert (found.value, found.low, found.high, found.at) == ("10", "10", "10", "between")


def test_the_range_of_a_knee_has_what_its_noise_allows() -> None:
    """The middle value is the first within 5 % of the best, but so little that the one before and after may be it."""
    flat = [[97.0, 93, 91, 99, 95, 94]]
    found = knee("N", ["5", "10", "20"], [[[95.0, 90, 92, 98, 91, 94]], flat, [[98.0, 103, 99, 100, 101, 99]]], {})
    assert (found.value, found.low, found.high) == ("20", "5", "20")


def test_the_interval_of_a_throughput_holds_the_truth_as_often_as_it_claims() -> None:
    """200 cells of two runs of 8 seconds, whose runs differ by 3 %."""
    drawn = random.Random(4)
    held = 0
    for _ in range(200):
        means = [drawn.gauss(100, 3) for _ in range(2)]
        low, high = throughput_interval([[drawn.gauss(mean, 5) for _ in range(8)] for mean in means])
        held += low <= 100 <= high
    assert 160 <= held <= 196


def _cell_run(connections: int, p99_ms: float) -> CellRun:
    return CellRun(
        settings={"N": str(connections)},
        round=0,
        run=f"run-{connections}",
        seconds=10.0,
        requests=1000,
        failures=0,
        succeeded=[100.0] * 10,
        mean_ms=50.0,
        histogram={50.0: 980, p99_ms: 20},
        pool_wait_mean_ms=1.0,
        bottleneck="pool",
        because="all connections were busy.",
        caveats=[],
        forecast=None,
    )


@pytest.mark.parametrize(
    ("objective", "chosen"),
    [("p99 < 1s", {"N": "10"}), ("p50 < 60ms, throughput > 90/s", {"N": "5"}), ("p99 < 100ms", {})],
)
def test_an_objective_over_a_list_advises_the_first_that_holds(objective: str, chosen: dict[str, str]) -> None:
    axes, _ = axes_of({"N": "5,10,20"})
    plan = Plan(axes, {}, 1, 1, parse_objective(objective))
    runs = [_cell_run(20, 300), _cell_run(5, 1500), _cell_run(10, 800)]
    report = report_of(plan, "id", runs, {}, finished=True, found=None)
    assert (report.set, report.holds) == (chosen, bool(chosen))
    assert [cell.figures.settings["N"] for cell in report.cells] == ["5", "10", "20"]


def test_the_load_is_measured_over_and_nothing_to_set() -> None:
    """20 users keep p99 at 800 ms, 40 do not: the most users that hold it are an answer, and no line for .env."""
    axes, _ = axes_of({"LOCUST_USERS": "5,20,40"})
    runs = [
        _cell_run(users, p99).model_copy(update={"settings": {"LOCUST_USERS": str(users)}})
        for users, p99 in ((5, 300), (20, 800), (40, 1500))
    ]
    report = report_of(Plan(axes, {}, 1, 1, parse_objective("p99 < 1s")), "id", runs, {}, finished=True, found=None)
    assert (report.chosen, report.set, report.holds) == ({"LOCUST_USERS": "20"}, {}, True)
    assert report.words[0].startswith("LOCUST_USERS=20 is the largest to hold")
    knee = report_of(Plan(axes, {}, 1, 1, None), "id", runs, {}, finished=True, found=None)
    assert (knee.set, knee.holds) == ({}, None)
    assert "nothing to copy into .env" in knee.words[-1]


def test_of_a_grid_over_load_and_pool_the_pool_is_advised() -> None:
    axes, _ = axes_of({"N": "5,10", "LOCUST_USERS": "20,40"})
    runs = [
        _cell_run(10, 300).model_copy(update={"settings": dict(cell), "succeeded": [10.0 + number] * 10})
        for number, cell in enumerate(cells_of(axes))
    ]
    report = report_of(Plan(axes, {}, 1, 1, None), "id", runs, {}, finished=True, found=None)
    assert report.set == {"N": report.chosen["N"]}
    assert len(report.chosen) == 2


@pytest.mark.parametrize("metric", ["p50", "p90", "p95", "p99", "mean"])
def test_a_search_by_any_latency_has_a_forecast(metric: str) -> None:
    objective = parse_objective(f"{metric} < 200ms")
    assert objective is not None
    found = expected_log_ratio(objective, forecast_at(reported(), "PROXY_MAX_CONNECTIONS", 10.0))
    assert found is not None


@pytest.mark.parametrize("forecast_is_off", [None, 0.0, 0.3, -0.3])
def test_a_search_finds_the_first_that_holds(forecast_is_off: float | None) -> None:
    """The truth is 300 ms over the candidate against a limit of 20: 16 is the first below it."""

    def truth(number: int) -> float:
        return math.log(300 / (number + 1) / 20)

    search = Search(range(1, 61), None if forecast_is_off is None else lambda number: truth(number) + forecast_is_off)
    measured: dict[int, Margin] = {}
    for _ in range(12):
        number = search.next(measured)
        if number is None:
            break
        measured[number] = Margin(truth(number), 0.001)
    answer = search.found(measured).answer
    assert answer is not None
    assert abs(answer + 1 - 16) <= 1


def test_a_search_that_nothing_holds_ends_at_the_last() -> None:
    search = Search(range(1, 11), None)
    measured = {number: Margin(2.0, 0.01) for number in range(10)}
    assert search.found(measured).answer is None
    assert search.next(measured) is None
