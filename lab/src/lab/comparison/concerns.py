"""What to know before two runs are compared, and where the users' time moved between them. Pure."""

from collections.abc import Sequence

from lab.account.places import PLACES
from lab.run_document import RunDocument

BUSY_BY = 0.2
"""Difference in the machine's busy share from which on two runs had unequal machines."""

STEAL = 0.02

LEAST_MS, LEAST_SHARE = 1.0, 0.02
"""Least time, in ms and as a share of the users' time, that counts as moved."""


def concerns(documents: Sequence[RunDocument], versions: Sequence[str]) -> list[str]:
    """Return why figures may differ for another reason than a setting, a sentence each."""
    found = []
    hosts = [run.host for run in documents if run.host is not None]
    cores = [host.cores for host in hosts]
    busy = [host.busy_share for host in hosts if host.busy_share is not None]
    if len(set(cores)) > 1:
        found.append(f"the machines differ: {', '.join(map(str, cores))} cores")
    if busy and max(busy) - min(busy) >= BUSY_BY:
        found.append(f"the machine was not equally busy: {', '.join(f'{share:.0%}' for share in busy)} of its CPU")
    if versions:
        found.append(f"versions differ: {', '.join(versions)}")
    return found + [f"{run.label or run.id}: {words}" for run in documents for words in _of_one(run)]


def _of_one(run: RunDocument) -> list[str]:
    found = [each.because for each in run.verdict.caveats if each.about in ("generator", "machine", "window")]
    if run.verdict.bottleneck == "generator":
        found.append(run.verdict.because)
    if run.host is not None and (run.host.steal_share or 0.0) >= STEAL:
        found.append(f"{run.host.steal_share:.0%} of the CPU went to other virtual machines (steal)")
    if run.status != "finished":
        found.append(f"the run was {run.status}")
    return found


def moved(documents: Sequence[RunDocument]) -> list[tuple[str, list[float]]]:
    """Return the places whose time changed, each with its ms in the mean of each run; the largest change first."""
    accounts = [run.attribution for run in documents]
    if any(account is None for account in accounts):
        return []
    known = [account for account in accounts if account is not None]
    least = max(LEAST_MS, LEAST_SHARE * max(account.users_ms.mean for account in known))
    rows = [(place.value.replace("_", " "), [account.mean_ms(place) for account in known]) for place in PLACES]
    changed = [(name, values) for name, values in rows if max(values) - min(values) >= least]
    return sorted(changed, key=lambda row: min(row[1]) - max(row[1]))
