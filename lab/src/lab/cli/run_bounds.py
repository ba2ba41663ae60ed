"""Bounds of `run` for CI: a run that does not keep to one ends with exit code 1, and a line about each."""

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.cli.console import notes
from lab.cli.run_session import RunOutcome
from lab.run_document import RunDocument
from service_kit.exits import ExitCode

MaxP99Option = Annotated[
    float | None, typer.Option("--max-p99-ms", min=0, metavar="MS", help="Exit 1 if p99 is above it.")
]
MaxFailRatioOption = Annotated[
    float | None, typer.Option(min=0, max=1, metavar="RATIO", help="Exit 1 if a larger part of the requests failed.")
]
MinRpsOption = Annotated[
    float | None, typer.Option(min=0, metavar="RPS", help="Exit 1 if fewer requests a second succeeded.")
]


@dataclass(frozen=True)
class RunBounds:
    """What a run is held to; None: anything. The ratio is of the whole run, ramp and end included."""

    max_p99_ms: float | None = None
    max_fail_ratio: float | None = None
    min_rps: float | None = None

    def missed(self, run: RunDocument) -> list[str]:
        """Return a line for each bound that the run does not keep; what was not measured keeps none."""
        whole = run.whole or run.totals
        failed = whole.failures / whole.requests if whole.requests else None
        p99, rps = run.latency_ms.p99, run.totals.succeeded_rps
        lines = []
        if self.max_p99_ms is not None and (p99 is None or p99 > self.max_p99_ms):
            lines.append(f"--max-p99-ms {self.max_p99_ms:g}: p99 was {_number(p99)} ms")
        if self.max_fail_ratio is not None and (failed is None or failed > self.max_fail_ratio):
            of = f" ({whole.failures} of {whole.requests} requests)"
            lines.append(f"--max-fail-ratio {self.max_fail_ratio:g}: {_number(failed)} failed{of}")
        if self.min_rps is not None and rps < self.min_rps:
            lines.append(f"--min-rps {self.min_rps:g}: {_number(rps)} requests a second succeeded")
        return lines


def held_to(bounds: RunBounds, outcome: RunOutcome) -> int:
    """Return the exit code of a run, and print a line about each bound that it does not keep."""
    missed = bounds.missed(outcome.document) if outcome.document is not None else []
    for line in missed:
        notes().print(line, markup=False, soft_wrap=True)
    return ExitCode.FELL_SHORT if missed and outcome.exit_code == ExitCode.OK else outcome.exit_code


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}" if value >= 1000 else f"{value:.4g}"
