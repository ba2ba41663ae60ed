"""What to know before runs are compared, and where the users' time moved between them. Pure."""

from collections.abc import Iterator, Sequence

from lab.account.places import PLACES, Place
from lab.comparison.columns import Column
from lab.comparison.settings_differences import Difference
from lab.run_document import RunDocument
from lab.verdict.facts import CPU_FULL, Facts

BUSY_BY = 0.2
"""Difference in the machine's busy share from which on two runs had unequal machines."""

STEAL = 0.02

LEAST_MS, LEAST_SHARE = 1.0, 0.02
"""Least time, in ms and as a share of the users' time, that counts as moved."""


def is_full(run: RunDocument) -> bool:
    """Whether other work left no core free, or the load generator had none: runs then differ by nobody knows what."""
    facts = Facts(run)
    return facts.others_fill_the_machine or facts.cpu_share("generator") >= CPU_FULL


def concerns(columns: Sequence[Column], versions: Sequence[Difference]) -> list[str]:
    """Return why figures may differ for another reason than a setting, a sentence each."""
    found = []
    cores = [run.host.cores for column in columns for run in column.runs if run.host]
    busy = [share for column in columns if (share := _busy(column)) is not None]
    if len(set(cores)) > 1:
        found.append(f"the machines differ: {', '.join(map(str, cores))} cores")
    if busy and max(busy) - min(busy) >= BUSY_BY:
        found.append(f"the machine was not equally busy: {', '.join(f'{share:.0%}' for share in busy)} of its CPU")
    if versions:
        words = [f"{row.name} {' -> '.join(map(str, row.values))}" for row in versions]
        found.append(f"versions differ: {', '.join(words)}")
    return found + [line for column in columns for line in _of_one(column)]


def _of_one(column: Column) -> Iterator[str]:
    """Yield what is wrong with a column's runs: once for each kind, in the words of the first run that has it."""
    found: dict[str, list[str]] = {}
    for run in column.runs:
        for about, words in dict(_wrong(run)).items():
            found.setdefault(about, []).append(words)
    for lines in found.values():
        some = f", {len(lines)} of {len(column.runs)}" if len(column.runs) > 1 else ""
        yield f"{column.name}{some}: {lines[0]}"


def _wrong(run: RunDocument) -> Iterator[tuple[str, str]]:
    for caveat in run.verdict.caveats:
        if caveat.about in ("generator", "machine", "window"):
            yield caveat.about, caveat.because
    if run.verdict.bottleneck == "generator":
        yield "generator", run.verdict.because
    if run.host is not None and (run.host.steal_share or 0.0) >= STEAL:
        yield "steal", f"{run.host.steal_share:.0%} of the CPU went to other virtual machines (steal)"
    if run.status != "finished":
        yield "status", f"the run was {run.status}"


def _busy(column: Column) -> float | None:
    shares = [run.host.busy_share for run in column.runs if run.host and run.host.busy_share is not None]
    return sum(shares) / len(shares) if shares else None


def moved(columns: Sequence[Column]) -> list[tuple[str, list[float]]]:
    """Return the places whose time changed, each with its ms in the mean of each column; the largest change first."""
    if any(run.attribution is None for column in columns for run in column.runs):
        return []
    users = [run.attribution.users_ms.mean for column in columns for run in column.runs if run.attribution]
    least = max(LEAST_MS, LEAST_SHARE * max(users))
    rows = [(place.value.replace("_", " "), [_mean_ms(column, place) for column in columns]) for place in PLACES]
    changed = [(name, values) for name, values in rows if max(values) - min(values) >= least]
    return sorted(changed, key=lambda row: min(row[1]) - max(row[1]))


def _mean_ms(column: Column, place: Place) -> float:
    times = [run.attribution.mean_ms(place) for run in column.runs if run.attribution]
    return sum(times) / len(times)
