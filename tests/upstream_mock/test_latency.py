"""Latency: what can be written, and that the draws are what was written."""

import math
import statistics

import pytest

from upstream_mock.duration import parse_duration
from upstream_mock.latency import (
    DISTRIBUTIONS,
    Constant,
    Exponential,
    Latency,
    Lognormal,
    Normal,
    Uniform,
    parse_latency,
)

DRAWS = 20_000
PINNED = [0.96439957219527, 0.6711177079380118, 0.006684657074239375]


def draws(text: str, seed: int = 1, count: int = DRAWS) -> list[float]:
    """So many latencies in seconds."""
    latency = Latency(parse_latency(text), seed)
    return [latency.draw() for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("100ms", 0.1), ("1.5s", 1.5), ("250us", 0.00025), (" 3 s ", 3.0), ("0ms", 0.0), ("3600s", 3600.0)],
)
def test_a_duration(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "100", "ms", "-1ms", "1m", "1e3ms", "1,5s", "nan", "infs", "1 ms s", "3601s"])
def test_no_duration(text: str) -> None:
    """Anything else is refused, no unit and more than an hour included."""
    with pytest.raises(ValueError, match=r"is not a duration|is longer than"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("constant(100ms)", Constant(0.1)),
        ("uniform(50ms, 150ms)", Uniform(0.05, 0.15)),
        ("normal(100ms,20ms)", Normal(0.1, 0.02)),
        (" lognormal ( 100ms , p99 = 400ms ) ", Lognormal(0.1, 0.4)),
        ("lognormal(100ms, 400ms)", Lognormal(0.1, 0.4)),
        ("lognormal(p99=400ms, median=100ms)", Lognormal(0.1, 0.4)),
        ("exponential(2s)", Exponential(2.0)),
    ],
)
def test_a_distribution(text: str, meant: object) -> None:
    """Durations by place or by name."""
    assert parse_latency(text) == meant


def test_every_example_is_understood() -> None:
    """What an error message recommends works."""
    for name, shape in DISTRIBUTIONS.items():
        assert type(parse_latency(shape.example)) is DISTRIBUTIONS[name]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not a distribution"),
        ("100ms", "not a distribution"),
        ("gamma(1s)", "not a distribution"),
        ("constant(100ms", "not a distribution"),
        ("constant()", "'' is not a duration"),
        ("constant(1)", "'1' is not a duration"),
        ("constant(1s, 2s)", "'2s' is one too many"),
        ("uniform(1s)", "needs 2 durations"),
        ("uniform(2s, 1s)", "first bound is above"),
        ("lognormal(100ms, p95=400ms)", "'p95=400ms' is one too many or unknown"),
        ("lognormal(100ms, median=400ms)", "'median=400ms' is one too many"),
        ("lognormal(400ms, p99=100ms)", "p99 not below it"),
        ("lognormal(0ms, p99=100ms)", "median must be above zero"),
        ("normal(-5ms, 1ms)", "'-5ms' is not a duration"),
    ],
)
def test_no_distribution(text: str, wrong: str) -> None:
    """What is wrong is said in words that name the part."""
    with pytest.raises(ValueError, match=wrong):
        parse_latency(text)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_sequence_is_the_seeds(name: str) -> None:
    """The same seed draws the same; another draws something else, unless there is nothing to draw."""
    text = DISTRIBUTIONS[name].example
    assert draws(text, seed=5, count=50) == draws(text, seed=5, count=50)
    assert (draws(text, seed=5, count=50) == draws(text, seed=6, count=50)) == (name == "constant")


def test_the_sequence_is_the_same_in_every_python() -> None:
    """Pinned, for a change of the generator would change all recorded runs."""
    assert draws("uniform(0ms, 1s)", seed=1, count=3) == pytest.approx(PINNED)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "mean", "deviation"),
    [
        ("constant(100ms)", 0.1, 0.0),
        ("uniform(50ms, 150ms)", 0.1, 0.1 / math.sqrt(12)),
        ("normal(100ms, 20ms)", 0.1, 0.02),
        ("exponential(100ms)", 0.1, 0.1),
    ],
)
def test_the_mean(text: str, mean: float, deviation: float, seed: int) -> None:
    """Within four standard errors of what theory says."""
    error = 4 * deviation / math.sqrt(DRAWS)
    assert statistics.fmean(draws(text, seed)) == pytest.approx(mean, abs=error + 1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "share", "seconds"),
    [
        ("uniform(50ms, 150ms)", 0.25, 0.075),
        ("normal(100ms, 20ms)", 0.5, 0.1),
        ("normal(100ms, 20ms)", 0.9772, 0.14),
        ("lognormal(100ms, p99=400ms)", 0.5, 0.1),
        ("lognormal(100ms, p99=400ms)", 0.99, 0.4),
        ("exponential(100ms)", 0.5, 0.1 * math.log(2)),
        ("exponential(100ms)", 0.99, 0.1 * math.log(100)),
    ],
)
def test_the_quantiles(text: str, share: float, seconds: float, seed: int) -> None:
    """The share of draws below a quantile is the quantile's, within four binomial standard errors."""
    below = sum(draw < seconds for draw in draws(text, seed)) / DRAWS
    assert below == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / DRAWS))


def test_no_latency_is_negative() -> None:
    """What falls below zero is zero: half of this one."""
    drawn = draws("normal(0ms, 20ms)")
    assert min(drawn) == 0.0
    assert 0.45 < drawn.count(0.0) / DRAWS < 0.55


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles_are_finite_at_both_ends_and_rise(name: str) -> None:
    """random() may return 0.0 and everything below 1."""
    shape = parse_latency(DISTRIBUTIONS[name].example)
    ends = [shape.quantile(u) for u in (0.0, 1e-9, 0.5, 1 - 2**-53)]
    assert all(map(math.isfinite, ends))
    assert ends == sorted(ends)
