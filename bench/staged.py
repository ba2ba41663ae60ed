"""Makes situations whose cause is known (stagings.toml) and compares the verdicts with it.

    .venv/bin/python bench/staged.py [--mode processes|docker] [--only TEXT ...] [--insensitive]

Each is one `./sandbox run` on free ports. Shown are the verdict beside the cause that was made, and what else was
found; the account must add up to the users' time within 2 % or 0.2 ms. Takes 8 minutes; exit code 1 if a cause was
missed.
"""

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.run_document import RunDocument
from service_kit.listening import free_port

ROOT = Path(__file__).parents[1]
PORTS = ("PROXY_PORT", "UPSTREAM_PORT", "UPSTREAM_CONTROL_PORT", "NET_PORT", "NET_CONTROL_PORT", "LOCUST_WEB_PORT")


@dataclass(frozen=True)
class Staging:
    """A situation: the run that makes it, and what its verdict must say."""

    name: str
    run: Sequence[str]
    cause: str
    place: str | None = None
    owner: str | None = None
    set: Sequence[str] | None = None
    sensitive: bool = False
    report: str = ""

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
        return wrong + unaccounted(run)


@dataclass
class Options:
    """What to run, and how."""

    mode: str
    only: list[str] = field(default_factory=list)
    insensitive: bool = False


def stagings() -> list[Staging]:
    """Return all of them. Raises TypeError for a key that does not exist."""
    with Path(__file__).with_name("stagings.toml").open("rb") as file:
        return [Staging(**each) for each in tomllib.load(file)["staging"]]


def unaccounted(run: RunDocument) -> list[str]:
    """Return by how much the account misses the users' time in the mean, if that is too much."""
    account = run.attribution
    if account is None or not run.totals.requests:
        return ["no account"]
    rest = abs(sum(place.ms.mean for place in account.places) - (run.latency_ms.mean or 0.0))
    return [f"{rest:.1f} ms unaccounted for"] if rest > max(0.02 * (run.latency_ms.mean or 0.0), 0.2) else []


def made(staging: Staging, mode: str) -> RunDocument:
    """Make the run and return its document."""
    environment = {**os.environ, **{name: str(free_port()) for name in PORTS}}
    command = [str(ROOT / "sandbox"), "run", f"--{mode}", "--json", *staging.run]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
    if not done.stdout.strip():
        sys.exit(f"{staging.name}: {done.stderr.strip()[-2000:]}")
    return RunDocument.model_validate_json(done.stdout)


def main() -> int:
    options = _parse()
    chosen = [
        each
        for each in stagings()
        if (not options.only or any(text in each.name for text in options.only))
        and not (options.insensitive and each.sensitive)
    ]
    missed = 0
    for staging in chosen:
        run = made(staging, options.mode)
        wrong = staging.missed(run)
        missed += bool(wrong)
        print(f"{'MISSED' if wrong else 'ok    '} {staging.name}: {run.verdict.bottleneck}: {run.verdict.because}")
        for line in wrong:
            print(f"         {line}")
        for finding in run.verdict.also:
            print(f"         also {finding.bottleneck} {finding.share:.0%}")
        sys.stdout.flush()
    print(f"{len(chosen) - missed} of {len(chosen)} named as made")
    return 1 if missed else 0


def _parse() -> Options:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("processes", "docker"), default="processes")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="only those with this in their names")
    parser.add_argument("--insensitive", action="store_true", help="only those that a busy machine must not change")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
