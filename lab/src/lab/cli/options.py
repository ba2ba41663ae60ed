"""What several commands share: the workspace they work on, Docker or processes, and the options of a load."""

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.backends.variables import Variables
from lab.backends.workspace import Mode, Workspace
from lab.objective import OBJECTIVE_RULE, parse_objective
from lab.run_name import LABEL_RULE, is_label
from lab.run_settings import timespan_seconds
from service_kit.exits import UsageError

DockerOption = Annotated[bool, typer.Option("--docker", help="In Docker Compose. Default if an engine answers.")]
ProcessesOption = Annotated[bool, typer.Option("--processes", help="As local processes, without Docker.")]


def workspace_of(context: typer.Context) -> Workspace:
    found = context.obj
    assert isinstance(found, Workspace)
    return found


def requested_mode(docker: bool, processes: bool) -> Mode | None:
    if docker and processes:
        raise UsageError("--docker and --processes: take one of them")
    if docker:
        return "docker"
    return "processes" if processes else None


@dataclass(frozen=True)
class LoadOptions:
    """The options that stand for variables of the load; None where one is not given."""

    users: int | None = None
    rate: float | None = None
    time: str | None = None
    label: str | None = None
    objective: str | None = None

    def add_to(self, assignments: Variables) -> None:
        """Add the variables to the assignments. Raises UsageError for a bad option, or one given in both ways."""
        self._check()
        rate = self.rate
        if rate is None and "LOCUST_SPAWN_RATE" not in assignments:
            rate = self.users
        variables = {
            "LOCUST_USERS": self.users,
            "LOCUST_SPAWN_RATE": None if rate is None else f"{rate:g}",
            "LOCUST_RUN_TIME": self.time,
            "LAB_RUN_LABEL": self.label,
            "LAB_OBJECTIVE": self.objective,
        }
        for name, value in variables.items():
            if value is not None and name in assignments:
                raise UsageError(f"{name}={assignments[name]}: given as an option too; take one of them")
            if value is not None:
                assignments[name] = str(value)

    def _check(self) -> None:
        if self.time is not None:
            duration_seconds("--time", self.time)
        if self.label is not None and not is_label(self.label):
            raise UsageError(f"--label {self.label!r}: a label has {LABEL_RULE}")
        if self.rate is not None and not self.rate > 0:
            raise UsageError(f"--rate {self.rate:g}: must be more than 0")
        try:
            parse_objective(self.objective or "")
        except ValueError as error:
            raise UsageError(f"--objective {self.objective!r}: {error}; allowed: {OBJECTIVE_RULE}") from None


def duration_seconds(option: str, text: str) -> float:
    """Return the seconds of a duration such as 90s, 2m or 1m30s. Raises UsageError."""
    try:
        return float(timespan_seconds(text))
    except ValueError:
        raise UsageError(f"{option} {text!r}: not a duration, such as 20s, 2m or 1m30s") from None
