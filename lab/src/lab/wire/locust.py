"""What the load generator answers: the progress of a headless run, line by line, and under /lab/ in the web UI."""

from pydantic import Field, ValidationError

from lab.wire.service import WireModel


class RunSecond(WireModel):
    """A second of a headless run, a line on its standard output. What is not known yet is null.

    `requests` and `failures` are those of the run so far; `rps` and the latencies are of this second.
    """

    t_seconds: float
    of_seconds: float | None = None
    users: int
    requests: int = 0
    failures: int
    rps: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    pool_active: int | None = None
    pool_waiting: int | None = None


class RunSaved(WireModel):
    """The last line of a headless run: its id, and the path of its document."""

    run_id: str
    document: str


class LocustHealth(WireModel):
    """`/lab/health`: Locust's state, or `stopping` until a run is saved."""

    state: str
    workers: int = 0
    run_id: str | None = None


class RunLock(WireModel):
    """`/lab/run-lock`, by PUT and DELETE: a run from the command line; `note` shows which. It ends without renewals."""

    holder: str = Field(min_length=1, max_length=64)
    note: str = Field("", max_length=200)


class LockRefused(WireModel):
    """Why the lock was not given."""

    because: str


class ChangedServices(WireModel):
    """`/lab/changed.json`: the services that were changed over HTTP since they started."""

    services: list[str] = Field(default_factory=list)


def parse_line(line: str) -> RunSecond | RunSaved | None:
    """Return what a line of a headless run holds, None for any other line."""
    for model in (RunSecond, RunSaved):
        try:
            return model.model_validate_json(line)
        except ValidationError:
            continue
    return None
