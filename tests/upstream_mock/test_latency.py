"""Latency: what can be written, and that the draws are what was written."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from service_kit.duration import parse_duration
from upstream_mock import latency
from upstream_mock.latency.distribution import LatencySampler
from upstream_mock.latency.distributions import (
    Bimodal,
    Constant,
    Empirical,
    Exponential,
    Lognormal,
    Normal,
    Pareto,
    Uniform,
)
from upstream_mock.latency.parse import allowed, distributions, parse_latency
from upstream_mock.latency.summary import summary

DRAWS = 20_000
PINNED = [0.96439957219527, 0.6711177079380118, 0.006684657074239375]


FILE = """# measured at noon
10ms
30ms   # a comment of its own

20ms
1s
"""
NEW_SHAPE = """
from dataclasses import dataclass
from typing import ClassVar
from upstream_mock.latency.distribution import Distribution, Seconds

@dataclass(frozen=True)
class Triple(Distribution):
    example: ClassVar[str] = "triple(1ms)"
    third: Seconds

    def quantile(self, u):
        return 3 * self.third
"""
NAMES = sorted(distributions())


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], str]:
    """The example of a distribution, with a file that is there."""
    file = tmp_path / "latencies.txt"
    file.write_text(FILE)
    return lambda name: distributions()[name].example.replace("/path/of/file", str(file))


def draws(text: str, seed: int = 1, count: int = DRAWS) -> list[float]:
    """So many latencies in seconds."""
    latency = LatencySampler(parse_latency(text), seed)
    return [latency.draw() for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("100ms", 0.1), ("1.5s", 1.5), ("250us", 0.00025), (" 3 s ", 3.0), ("0ms", 0.0), ("3600s", 3600.0)],
)
def test_a_duration(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "100", "ms", "-1ms", "1m", "1e3ms", "1,5s", "nan", "infs", "1 ms s", "\u0661ms", "3601s"]
)
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
        ("pareto(100ms, p99=400ms)", Pareto(0.1, 0.4)),
        ("bimodal(50ms, 500ms, share=0.1)", Bimodal(0.05, 0.5, 0.1)),
        ("bimodal(50ms, 500ms, .25)", Bimodal(0.05, 0.5, 0.25)),
    ],
)
def test_a_distribution(text: str, meant: object) -> None:
    """Durations by place or by name."""
    assert parse_latency(text) == meant


def test_every_example_is_understood(example: Callable[[str], str]) -> None:
    """What an error message recommends works."""
    for name, shape in distributions().items():
        assert type(parse_latency(example(name))) is shape


def test_a_new_distribution_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put into the folder, it is known by its name and recommended by its example."""
    (tmp_path / "triple.py").write_text(NEW_SHAPE)
    monkeypatch.setattr(latency, "__path__", [*latency.__path__, str(tmp_path)])
    distributions.cache_clear()
    try:
        assert parse_latency("triple(10ms)").quantile(0.5) == pytest.approx(0.03)
        assert "triple(1ms)" in allowed()
    finally:
        distributions.cache_clear()


def test_latencies_of_a_file(example: Callable[[str], str]) -> None:
    """Comments and empty lines are left out; each line is drawn equally often, in the seed's order."""
    text = example("empirical")
    assert parse_latency(text) == Empirical((0.01, 0.02, 0.03, 1.0))
    drawn = draws(text)
    for seconds in (0.01, 0.02, 0.03, 1.0):
        assert drawn.count(seconds) / DRAWS == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / DRAWS))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("10ms\n\n# x\n5\n", ":4: '5' is not a duration"),
        ("10ms\n2h\n", ":2: '2h' is not a duration"),
        ("10ms 20ms", ":1: '10ms 20ms' is not a duration"),
        ("3601s", ":1: '3601s' is longer than"),
        ("# nothing\n", ": no duration in it"),
        ("\xff\n" * 3, ":1: "),
        ("x" * 100_000, ":1: 'x"),
    ],
)
def test_a_bad_file_of_latencies(tmp_path: Path, content: str, wrong: str) -> None:
    """File and line are said, and no more of the line than one can read."""
    file = tmp_path / "f"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"^/") as caught:
        parse_latency(f"empirical({file})")
    assert str(caught.value).startswith(f"{file}{wrong}")
    assert len(str(caught.value)) < 200 + len(str(file))


@pytest.mark.parametrize(
    ("path", "wrong"), [("/no/such/file", "No such file"), ("/", "Is a directory"), ("/dev/zero", ":1: ")]
)
def test_a_file_of_latencies_that_is_none(path: str, wrong: str) -> None:
    """Also one that has no end."""
    with pytest.raises(ValueError, match=wrong):
        parse_latency(f"empirical({path})")


def test_a_request_has_no_file_read(example: Callable[[str], str]) -> None:
    """Or anybody could ask which files there are."""
    with pytest.raises(ValueError, match="empirical only as the mock starts"):
        parse_latency(example("empirical"), by_request=True)
    with pytest.raises(ValueError, match="empirical only as the mock starts"):
        parse_latency("empirical(/etc/passwd)", by_request=True)


def test_a_request_with_its_own_distribution_uses_up_one_draw() -> None:
    """The others' draws stay what they are, and its own is the seed's too."""
    plain, mixed = draws("uniform(0ms, 1s)", count=30), LatencySampler(parse_latency("uniform(0ms, 1s)"), 1)
    own = parse_latency("uniform(0ms, 50s)")
    drawn = [mixed.draw(own if index % 3 == 1 else None) for index in range(30)]
    assert drawn == [pytest.approx(seconds * (50 if index % 3 == 1 else 1)) for index, seconds in enumerate(plain)]


def test_a_draw_is_an_hour_at_most() -> None:
    """A tail without end would ask the timer for more nanoseconds than it can count."""
    drawn = draws("pareto(1us, p99=3600s)", count=2000)
    assert max(drawn) == 3600.0
    assert drawn.count(3600.0) < 200
    own, latency = parse_latency("bimodal(1us, 3600s, share=0.005)", by_request=True), LatencySampler(Constant(0.0), 1)
    assert {latency.draw(own) for _ in range(2000)} == {1e-6, 60.0}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not a distribution"),
        ("100ms", "not a distribution"),
        ("gamma(1s)", "not a distribution"),
        ("constant(100ms", "not a distribution"),
        ("constant()", "lacks value"),
        ("constant(1)", "'1' is not a duration"),
        ("constant(1s, 2s)", "'2s' is one too many"),
        ("uniform(1s)", r"uniform\(low, high\) lacks high"),
        ("bimodal(p=1)", "'p=1' is one too many or unknown"),
        ("bimodal(1s, 2s, 3)", "'3' is not a share"),
        ("bimodal(1s, 2s, share=-0.1)", "'-0.1' is not a share"),
        ("bimodal(1s, 2s, share=10%)", "'10%' is not a share"),
        ("bimodal(1s, 2s)", "lacks share"),
        ("bimodal(2s, 1s, share=0.5)", "first duration is above"),
        ("pareto(400ms, p99=100ms)", "p99 not below it"),
        ("empirical()", "lacks file"),
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


@pytest.mark.parametrize("name", NAMES)
def test_the_sequence_is_the_seeds(name: str, example: Callable[[str], str]) -> None:
    """The same seed draws the same; another draws something else, unless there is nothing to draw."""
    text = example(name)
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
        ("bimodal(50ms, 550ms, share=0.1)", 0.1, 0.15),
    ],
)
def test_the_mean(text: str, mean: float, deviation: float, seed: int) -> None:
    """Within four standard errors of theory."""
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
        ("pareto(100ms, p99=400ms)", 0.5, 0.1),
        ("pareto(100ms, p99=400ms)", 0.99, 0.4),
        ("pareto(100ms, p99=400ms)", 0.9, 0.1 * 5 ** (math.log(4) / math.log(50))),
        ("bimodal(50ms, 500ms, share=0.1)", 0.9, 0.5),
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


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_are_finite_at_both_ends_and_rise(name: str, example: Callable[[str], str]) -> None:
    """random() may return 0.0 and everything below 1."""
    shape = parse_latency(example(name))
    ends = [shape.quantile(u) for u in (0.0, 1e-9, 0.5, 1 - 2**-53)]
    assert all(map(math.isfinite, ends))
    assert ends == sorted(ends)


# Mean in ms and squared coefficient of variation, by the textbook's formulas; normal's cut at 0 is 5 deviations away.
SIGMA = math.log(600 / 80) / statistics.NormalDist().inv_cdf(0.99)
ALPHA = math.log(50) / math.log(400 / 100)
MOMENTS = {
    "constant(100ms)": (100, 0),
    "exponential(100ms)": (100, 1),
    "uniform(50ms, 150ms)": (100, 1 / 12),
    "bimodal(50ms, 500ms, share=0.1)": (95, 450**2 * 0.09 / 95**2),
    "normal(100ms, 20ms)": (100, 0.04),
    "lognormal(80ms, p99=600ms)": (80 * math.exp(SIGMA**2 / 2), math.exp(SIGMA**2) - 1),
    "pareto(100ms, p99=400ms)": (100 * 0.5 ** (1 / ALPHA) * ALPHA / (ALPHA - 1), 1 / (ALPHA * (ALPHA - 2))),
}


def test_every_distribution_has_known_moments() -> None:
    """A file's are those of its lines."""
    assert {text.partition("(")[0] for text in MOMENTS} == set(NAMES) - {"empirical"}


@pytest.mark.parametrize("text", MOMENTS)
def test_the_summary_has_the_moments(text: str) -> None:
    mean, scv = MOMENTS[text]
    found = summary(parse_latency(text))
    assert found.mean_ms == pytest.approx(mean, rel=0.002)
    assert found.scv == pytest.approx(scv, rel=0.005, abs=1e-9)


@pytest.mark.parametrize("text", MOMENTS)
def test_the_strata_of_the_summary_are_all_draws(text: str) -> None:
    found = summary(parse_latency(text))
    assert sum(share for share, _ in found.strata_ms) == pytest.approx(1)
    assert sum(share * took for share, took in found.strata_ms) == pytest.approx(found.mean_ms, rel=0.01)


def test_the_summary_is_of_draws_that_are_cut_at_0() -> None:
    assert min(took for _, took in summary(parse_latency("normal(10ms, 100ms)")).strata_ms) == 0
    assert summary(parse_latency("constant(0ms)")).mean_ms == 0
