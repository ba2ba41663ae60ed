"""`run --repeat`: runs of the same settings in a row, and by how much they differ."""

import asyncio
import json
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace
from lab.cli.console import notes, number, print_json, results
from lab.cli.progress_bar import RunProgress
from lab.cli.run_bounds import RunBounds, held_to
from lab.cli.run_session import TAKEN_DOWN, RunOutcome, RunSession
from lab.comparison.figures import FIGURES
from lab.run_document import RunDocument
from lab.run_name import new_run_id
from service_kit.exits import ExitCode, UnavailableError


async def run_repeats(
    workspace: Workspace, assignments: Variables, requested: Mode | None, repeat: int, bounds: RunBounds, as_json: bool
) -> int:
    """Make the runs as one group, print what they have in common and return the exit code: that of the worst."""
    group = new_run_id(datetime.now(UTC))
    outcomes: list[RunOutcome] = []
    async with RunSession.opened(workspace, requested) as session:
        for place in range(1, repeat + 1):
            outcome = await _one(session, {**assignments, "LAB_RUN_GROUP": group}, f"{place}/{repeat}")
            outcomes.append(outcome)
            if outcome.exit_code == ExitCode.INTERRUPTED or outcome.taken_down:
                break
    documents = [outcome.document for outcome in outcomes if outcome.document is not None]
    if as_json:
        print_json(json.dumps([document.model_dump(mode="json") for document in documents], indent=1))
    elif documents:
        print_repeats(results(), documents)
    if outcomes[-1].taken_down:
        raise UnavailableError(TAKEN_DOWN)
    return max(held_to(bounds, outcome) for outcome in outcomes)


async def _one(session: RunSession, assignments: Variables, place: str) -> RunOutcome:
    """Make one of the runs and print a line about it; Ctrl-C before its load is an outcome, too."""
    try:
        outcome = await session.run(assignments, RunProgress(notes(), place))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return RunOutcome(ExitCode.INTERRUPTED)
    if (document := outcome.document) is not None:
        latency = document.latency_ms
        figures = f"{document.totals.succeeded_rps:.1f}/s  p50 {number(latency.p50)}  p99 {number(latency.p99)} ms"
        notes().print(f"{place}  {figures}  {document.verdict.bottleneck}", markup=False, soft_wrap=True)
    return outcome


def print_repeats(console: Console, documents: Sequence[RunDocument]) -> None:
    """Print each figure's mean and spread, and what limited the runs."""
    first = documents[0]
    name = f"{first.label} (group {first.group[-4:]})" if first.label else f"group {first.group[-4:]}"
    console.print()
    console.print(Text(f"{len(documents)} runs of equal settings: {name}", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("", "mean", "lowest", "highest", "spread"):
        table.add_column(heading, justify="right" if heading else "left")
    for figure in FIGURES:
        values = [value for document in documents if (value := figure.of(document)) is not None]
        if figure.noise is None or not any(values):
            continue
        mean, digits = statistics.fmean(values), 2 if max(values) < 10 else 1
        spread = f"{statistics.stdev(values) / mean:.1%}" if len(values) > 1 and mean else "-"
        shown = [number(value, digits) for value in (mean, min(values), max(values))]
        table.add_row(figure.title, *shown, spread)
    console.print(table)
    console.print(Text("spread: the standard deviation of one run, as a share of the mean", style="bright_black"))
    for document in documents:
        console.print(Text(f"run {document.id}  {document.verdict.bottleneck}: {document.verdict.because}"))
    reference = first.label or first.group[-4:]
    console.print(Text(f"compare   ./sandbox compare {reference} <another run or group>"), soft_wrap=True)
