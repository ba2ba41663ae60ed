"""Sweeps: the values of a command line, the order, the knee and the search. Pure."""

import math

import pytest

from lab.sweep.axes import AxisError, axes_of, cells_of, rounds, split_values
from lab.sweep.knee import knee
from lab.sweep.margin import Margin
from lab.sweep.search import Search


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
    runs = [[[50.0, 51, 49, 50]], [[99.0, 101, 100, 100]], [[101.0, 102, 103, 102]]]
    found = knee("N", ["5", "10", "20"], runs, {})
    assert (found.value, found.low, found.high, found.at) == ("10", "10", "10", "between")


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
