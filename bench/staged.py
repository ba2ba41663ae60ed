"""Makes situations whose cause is known (stagings.toml) and compares the verdicts with it.

    .venv/bin/python bench/staged.py [--mode processes|docker] [--only TEXT ...] [--insensitive] [--follow]
                                        [--time 20s]

Each is one `./sandbox run` on free ports. Shown are the verdict beside the cause that was made, and what else was
found; the account must add up to the users' time within 2 % or 0.2 ms. With --follow every advice that sets a variable
is followed by a second run: its metric must move as promised within 25 %, or not get worse where nothing is promised.
With --time all runs have that length: what they name must not depend on it.
Takes 13 minutes, with --follow about twice that; exit code 1 if a cause was missed or a promise broken.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox_runs import busy_processes, made

from lab.run_document import RunDocument
from lab.trial import trial


@dataclass(frozen=True)
class Staging:
    """A situation: the run that makes it, and what its verdict must say."""

    name: str
    run: Sequence[str]
    cause: str
    place: str | None = None
    owner: str | None = None
    set: Sequence[str] | None = None
    not_also: Sequence[str] = ()
    caveat: str | None = None
    descriptors: int | None = None
    busy: int = 0
    sensitive: bool = False
    report: str = ""

    def make(self, arguments: Sequence[str], mode: str) -> RunDocument:
        """Make a run in this situation."""
        with busy_processes(self.busy):
            return made(arguments, mode, self.descriptors)

    def missed(self, run: RunDocument) -> list[str]:
        """Return what the verdict of a run does not say as it must."""
        verdict = run.verdict
        expected: dict[str, tuple[Any, Any]] = {
            "bottleneck": (self.cause, verdict.bottleneck),
            "place": (self.place, verdict.place),
            "owner": (self.owner, verdict.owner),
        }
        wrong = [
            f"{name} {found}, not {wanted}" for name, (wanted, found) in expected.items() if wanted not in (None, found)
        ]
        if self.set is not None and (
            not set(self.set) <= set(verdict.advice.set) or (verdict.advice.set and not self.set)
        ):
            wrong.append(f"advice sets {sorted(verdict.advice.set)}, not {sorted(self.set)}")
        also = {finding.bottleneck for finding in verdict.also}
        wrong += [f"{name} beside it" for name in self.not_also if name in also]
        if self.caveat not in (None, *(caveat.about for caveat in verdict.caveats)):
            wrong.append(f"no caveat about {self.caveat}")
        return wrong + unaccounted(run)


@dataclass
class Options:
    """What to run, and how."""

    mode: str
    only: list[str] = field(default_factory=list)
    insensitive: bool = False
    follow: bool = False
    time: str = ""


def stagings() -> list[Staging]:
    """Return all of them. Raises TypeError for a key that does not exist."""
    with Path(__file__).with_name("stagings.toml").open("rb") as file:
        return [Staging(**each) for each in tomllib.load(file)["staging"]]


def unaccounted(run: RunDocument) -> list[str]:
    """Return by how much the account misses the users' time, in the mean, at p50 and p99, if that is too much."""
    account, latency = run.attribution, run.latency_ms
    if account is None or not run.totals.requests:
        return ["no account"]
    users = {"mean": latency.mean, "p50": latency.p50, "p99": latency.p99, "slowest": account.users_ms.slowest}
    rests = {
        figure: abs(sum(getattr(place.ms, figure) for place in account.places) - (ms or 0.0))
        for figure, ms in users.items()
    }
    return [
        f"{rest:.1f} ms unaccounted for ({figure})"
        for figure, rest in rests.items()
        if rest > max(0.02 * (users[figure] or 0.0), 0.2)
    ]


def follow(staging: Staging, run: RunDocument, mode: str) -> tuple[str, list[str]]:
    """Follow the advice of a run; return what became of it in a line, and what is wrong with it."""
    advised = run.verdict.advice.variables
    kept = [each for each in staging.run if each.partition("=")[0] not in advised]
    found = trial(run, staging.make([*kept, *(f"{name}={value}" for name, value in advised.items())], mode))
    wrong = ["the promise did not hold"] if found.held is False else []
    return f"{' '.join(run.verdict.advice.env_lines)}: {found.words}", wrong + (["worse"] if found.worse else [])


def main() -> int:
    options = _parse()
    chosen = [
        each
        for each in stagings()
        if (not options.only or any(text in each.name for text in options.only))
        and not (options.insensitive and each.sensitive)
    ]
    if options.time:
        chosen = [replace(each, run=_of_length(each.run, options.time)) for each in chosen]
    missed = 0
    for staging in chosen:
        run = staging.make(staging.run, options.mode)
        wrong = staging.missed(run)
        outcome = ""
        if options.follow and run.verdict.advice.set:
            outcome, broken = follow(staging, run, options.mode)
            wrong += broken
        missed += bool(wrong)
        print(f"{'MISSED' if wrong else 'ok    '} {staging.name}: {run.verdict.bottleneck}: {run.verdict.because}")
        for line in wrong:
            print(f"         {line}")
        if outcome:
            print(f"         {outcome}")
        for finding in run.verdict.also:
            print(f"         also {finding.bottleneck} {finding.share:.0%}")
        sys.stdout.flush()
    print(f"{len(chosen) - missed} of {len(chosen)} named as made")
    return 1 if missed else 0


def _of_length(run: Sequence[str], time: str) -> list[str]:
    """Return the arguments of a run with another length."""
    number = run.index("--time")
    return [*run[:number], "--time", time, *run[number + 2 :]]


def _parse() -> Options:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("processes", "docker"), default="processes")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="only those with this in their names")
    parser.add_argument("--insensitive", action="store_true", help="only those that a busy machine must not change")
    parser.add_argument("--follow", action="store_true", help="follow each advice, and compare with its promise")
    parser.add_argument("--time", default="", metavar="20s", help="the length of all runs, instead of their own")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
