"""`advise`: what the verdict of a run says to change, and whether it helps."""

import asyncio
import json
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.table import Table
from rich.text import Text

from lab.backends.preflight import settings_in_force
from lab.backends.workspace import Mode, Workspace
from lab.cli.console import notes, print_json, results
from lab.cli.options import DockerOption, ProcessesOption, requested_mode, workspace_of
from lab.cli.past_runs import find_run
from lab.cli.run_session import TAKEN_DOWN, RunOutcome, RunSession
from lab.run_document import RunDocument
from lab.run_name import LONGEST_LABEL, run_name
from lab.trial import Trial, settings_to_repeat, trial
from lab.wire.service import ServiceConfig, parse
from lab.wording import promise_words
from service_kit.exits import ExitCode, UnavailableError, UsageError


def advise(
    context: typer.Context,
    reference: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Label or id of a run. [default: the last]")
    ] = None,
    try_it: Annotated[
        bool, typer.Option("--try", help="Run it with the advice, and compare with the promise.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict, advice and trial as JSON only.")] = False,
    docker: DockerOption = False,
    processes: ProcessesOption = False,
) -> int:
    """Say what to change after a run, and what that promises.

    Prints the verdict, the advice and the lines for .env. With --try the same load runs again, with the settings of
    that run and the advice on top; exit code 1 if the promise did not hold (within 25 %), or if it is worse where
    nothing was promised.
    """
    workspace = workspace_of(context)
    document = find_run(workspace, reference)
    if not try_it:
        _show(document, None, as_json)
        return ExitCode.OK
    if not document.verdict.advice.set:
        raise UsageError(f"--try: the advice of {_name(document)} sets no variable: {document.verdict.advice.words}")
    try:
        outcome = asyncio.run(_followed(workspace, document, requested_mode(docker, processes)))
    except asyncio.CancelledError:  # Ctrl-C before the load began
        notes().print("interrupted; nothing was recorded")
        return ExitCode.INTERRUPTED
    if outcome.document is None or outcome.exit_code == ExitCode.INTERRUPTED:
        return outcome.exit_code
    if outcome.taken_down:
        raise UnavailableError(TAKEN_DOWN)
    found = trial(document, outcome.document)
    _show(document, found, as_json)
    return ExitCode.FELL_SHORT if found.held is False or found.worse else ExitCode.OK


async def _followed(workspace: Workspace, document: RunDocument, requested: Mode | None) -> RunOutcome:
    """Run the load of that run with its settings and its advice."""
    async with RunSession.opened(workspace, requested) as session:
        repeated = settings_to_repeat(document, await _in_force(workspace))
        label = f"{document.label or document.id[-4:]} advised"[:LONGEST_LABEL]
        return await session.run({**repeated, **document.verdict.advice.variables, "LAB_RUN_LABEL": label})


async def _in_force(workspace: Workspace) -> dict[str, JsonValue]:
    """Return all variables as the services would have them without any assignment."""
    printed = await settings_in_force(workspace.services, workspace.baseline(), workspace.checkout)
    configs = [parse(ServiceConfig, text, f"what {name} --config prints") for name, text in printed.items()]
    return {name: value for config in configs for name, value in config.settings.items()}


def _show(document: RunDocument, found: Trial | None, as_json: bool) -> None:
    verdict, advice = document.verdict, document.verdict.advice
    if as_json:
        whole = {
            "run": document.id,
            "verdict": verdict.model_dump(mode="json"),
            "env": advice.env_lines,
            "trial": found and found.model_dump(mode="json"),
        }
        print_json(json.dumps(whole, indent=1))
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8)
    table.add_row("run", Text(_name(document)))
    table.add_row("verdict", Text(f"{verdict.bottleneck}: {verdict.because}"))
    table.add_row("advice", Text(advice.words))
    if promised := promise_words(advice):
        table.add_row("promise", Text(promised))
    for number, line in enumerate(advice.env_lines):
        table.add_row("" if number else ".env", Text(line, style="bold"))
    for caveat in verdict.caveats:
        table.add_row("but", Text(caveat.because))
        if caveat.advice is not None:
            table.add_row("", Text(caveat.advice.words))
    if found is not None:
        table.add_row("tried", Text(f"{found.words} (run {found.after})"))
    results().print(table)


def _name(document: RunDocument) -> str:
    return run_name(document.label, document.started_at, document.id)
