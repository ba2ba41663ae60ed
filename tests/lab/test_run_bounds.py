"""The bounds of `run` for CI."""

import pytest

from lab.cli.run_bounds import RunBounds, held_to
from lab.cli.run_session import RunOutcome
from lab.run_document import LatencyMs, Totals
from service_kit.exits import ExitCode
from support.documents import run_document

RUN = run_document().model_copy(
    update={
        "latency_ms": LatencyMs(p99=930.0),
        "totals": Totals(requests=100, failures=0, rps=50.0),
        "whole": Totals(requests=200, failures=3, rps=50.0),
    }
)


@pytest.mark.parametrize(
    ("bounds", "lines"),
    [
        (RunBounds(), []),
        (RunBounds(930, 0.015, 50), []),
        (RunBounds(max_p99_ms=929), ["--max-p99-ms 929: p99 was 930 ms"]),
        (RunBounds(max_fail_ratio=0), ["--max-fail-ratio 0: 0.015 failed (3 of 200 requests)"]),
        (RunBounds(min_rps=50.1), ["--min-rps 50.1: 50 requests a second succeeded"]),
    ],
)
def test_a_bound_that_is_not_kept_is_exit_code_1_and_one_line(
    bounds: RunBounds, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert held_to(bounds, RunOutcome(ExitCode.OK, RUN)) == (ExitCode.FELL_SHORT if lines else ExitCode.OK)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == lines
    assert captured.out == ""


def test_what_was_not_measured_keeps_no_bound() -> None:
    run = RUN.model_copy(
        update={"latency_ms": LatencyMs(), "whole": None, "totals": Totals(requests=0, failures=0, rps=0)}
    )
    assert len(RunBounds(1000, 1, 1).missed(run)) == 3


def test_an_interrupted_run_keeps_its_own_exit_code() -> None:
    assert held_to(RunBounds(min_rps=1000), RunOutcome(ExitCode.INTERRUPTED, RUN)) == ExitCode.INTERRUPTED
