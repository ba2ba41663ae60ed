"""Compares runs of equal settings, which must not differ, and runs with twice the connections, which must.

    .venv/bin/python bench/equal_runs.py [--repeats 20] [--time 9s] [--docker] [VAR=value ...]

Makes one run more than `--repeats` and compares each with the next: of 20 comparisons at least 18 must say that no
figure differs (in the mean one in a hundred says so wrongly). Half as many runs with twice the connections are compared
with as many of these: all must say that the throughput differs. A comparison on a full machine decides nothing; such
are counted apart. Takes 7 minutes; exit code 1 if fewer than 90 % or not all are as they must be.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise

from sandbox_runs import made_repeats

from lab.comparison.compare import Comparison, compare
from lab.run_document import RunDocument

LEAST = 0.9
"""Share of the comparisons of equal runs that must find no difference: 18 of 20."""


def differing(found: Comparison) -> list[str]:
    """Return the names of the figures that are said to differ."""
    return [row.name for row in found.outcomes if any(each is not None and each.differs for each in row.changes)]


def undecided(found: Comparison) -> bool:
    """Whether nothing is known of the noise: the machine was full, or the runs too short."""
    changes = [each for row in found.outcomes for each in row.changes if each is not None]
    return not changes or any(each.differs is None for each in changes)


def words(run: RunDocument) -> str:
    busy = f"{run.host.busy_share:.0%}" if run.host and run.host.busy_share is not None else "?"
    return f"{run.totals.succeeded_rps:.1f}/s p50 {run.latency_ms.p50} p99 {run.latency_ms.p99} ms, {busy} busy"


def equal(runs: Sequence[RunDocument]) -> tuple[int, int]:
    """Compare each run with the next; return how many comparisons decided, and how many of them found no difference."""
    decided = good = 0
    for first, second in pairwise(runs):
        found = compare([first, second])
        differ = differing(found)
        known = bool(differ) or not undecided(found)
        decided += known
        good += known and not differ
        verdict = f"differ: {', '.join(differ)}" if differ else "no difference" if known else "undecided"
        print(f"{words(first)} | {words(second)} | {verdict}")
    return decided, good


def doubled(runs: Sequence[RunDocument], others: Sequence[RunDocument]) -> tuple[int, int]:
    """Compare runs with those of twice the connections; return how many decided, and saw the throughput differ."""
    decided = seen = 0
    for first, second in zip(runs, others, strict=False):
        found = compare([first, second])
        sees = "throughput" in differing(found)
        decided += sees or not undecided(found)
        seen += sees
        print(f"{words(first)} -> {words(second)} | {'seen' if sees else 'not seen'}")
    return decided, seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--time", default="9s")
    parser.add_argument("--docker", action="store_true")
    parser.add_argument("variables", nargs="*", metavar="VAR=value", help="settings of all runs")
    options = parser.parse_args()
    mode = "docker" if options.docker else "processes"
    arguments = ["--time", options.time, *options.variables]
    runs = made_repeats(arguments, options.repeats + 1, mode)
    decided, good = equal(runs)
    others = made_repeats([*arguments, "PROXY_MAX_CONNECTIONS=20"], options.repeats // 2, mode)
    decided_too, seen = doubled(runs, others)
    print(f"{good} of {decided} comparisons of equal runs find no difference ({options.repeats - decided} undecided)")
    print(f"{seen} of {decided_too} see twice the connections ({options.repeats // 2 - decided_too} undecided)")
    return 0 if good >= LEAST * decided and seen == decided_too else 1


if __name__ == "__main__":
    sys.exit(main())
