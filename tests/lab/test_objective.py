"""Objectives: what can be written, in which units, and when they hold."""

import pytest

from lab.conclusion import Figures
from lab.objective import Objective, outcome_words, parse_objective
from lab.verdict.judge import judge
from support.documents import run_document

FIGURES: Figures = {
    "latency_p50_ms": 80.0,
    "latency_p99_ms": 930.0,
    "latency_mean_ms": 100.0,
    "failed_share": 0.02,
    "succeeded_rps": 90.0,
    "latency_p95_ms": None,
}


def parsed(text: str) -> Objective:
    objective = parse_objective(text)
    assert objective is not None
    return objective


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("p99 < 1s", True),
        ("p99<930ms", False),
        ("mean < 0.1s", False),
        ("failures < 2.1%", True),
        ("failures < 1%", False),
        ("throughput > 89/s", True),
        ("throughput > 90 /s", False),
        ("p50 > 79ms", True),
        ("p99 < 1s and failures < 1%", False),
        ("p99 < 1s, failures < 5%,throughput > 80/s", True),
        ("p95 < 1s", False),
    ],
)
def test_bounds_hold_or_not(text: str, holds: bool) -> None:
    """In each metric's own unit; all must hold, and what was not measured does not."""
    assert parsed(text).outcome(FIGURES).holds is holds


def test_one_way_to_write_it() -> None:
    assert parsed("  p99<1s   and failures < 1 %").text == "p99 < 1s, failures < 1%"
    assert parse_objective(" ") is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("p99 < 1", "'p99 < 1' is no bound"),
        ("p98 < 1s", "'p98' is no metric"),
        ("p99 < 1%", "p99 is not measured in %"),
        ("failures < 1s", "failures is not measured in s"),
        ("throughput > 90%", "throughput is not measured in %"),
        ("p99 < 1e99999s", "'p99 < 1e99999s' is no bound"),
        ("p99 < 1s or mean < 1s", "'p99 < 1s or mean < 1s' is no bound"),
    ],
)
def test_what_is_wrong_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_objective(text)


def test_the_verdict_begins_with_whether_it_holds() -> None:
    """Where it does there is nothing to advise, whatever limited the run."""
    for limit, begins, advised in (
        ("1s", "p99 < 1s holds: p99 230 ms; ", False),
        ("0.2s", "p99 < 0.2s does not", True),
    ):
        run = run_document()
        run = run.model_copy(update={"objective": parsed(f"p99 < {limit}").outcome(run.figures)})
        verdict = judge(run)
        assert verdict.bottleneck == "pool"
        assert verdict.because.startswith(begins)
        assert bool(verdict.advice.set) is advised


def test_words_have_values_and_units() -> None:
    outcome = parsed("p99 < 1s, failures < 1%, throughput > 95/s, p95 < 1s").outcome(FIGURES)
    assert outcome_words(outcome) == (
        "p99 < 1s, failures < 1%, throughput > 95/s, p95 < 1s does not hold: "
        "p99 930 ms, failures 2 %, throughput 90.0/s, p95 unknown"
    )
