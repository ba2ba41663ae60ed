"""The runs that a command is about. Those that the Locust UI in Docker has recorded are copied into ./runs first."""

import asyncio
from collections.abc import Iterable

from lab.backends.compose.run import copy_new_runs
from lab.backends.workspace import Workspace
from lab.run_document import RunDocument
from lab.store import RunNotFound, RunStore
from service_kit.exits import UsageError

NO_RUNS = "no runs yet; ./sandbox run makes one"


def past_runs(workspace: Workspace) -> RunStore:
    asyncio.run(copy_new_runs(workspace))
    return RunStore(workspace.checkout.runs)


def find_runs(workspace: Workspace, references: Iterable[str]) -> list[RunDocument]:
    """Return the runs of these labels or ids, of repeats all. Raises UsageError."""
    store = past_runs(workspace)
    try:
        return [run for reference in references for run in store.find_repeats(reference)]
    except RunNotFound as error:
        raise UsageError(str(error)) from None


def find_run(workspace: Workspace, reference: str | None) -> RunDocument:
    """Return the run of that label or id, the newest one without. Raises UsageError."""
    store = past_runs(workspace)
    try:
        if reference is not None:
            return store.find(reference)
        newest = store.summaries()[:1]
        if not newest:
            raise UsageError(NO_RUNS)
        return store.read(newest[0].id)
    except RunNotFound as error:
        raise UsageError(str(error)) from None
