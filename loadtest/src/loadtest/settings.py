"""Settings of the load generator: LAB_ for the recorder, LOCUST_ for what the sandbox fills in of Locust's own."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict

from lab import run_name
from lab.calling_pattern import PATTERNS
from lab.objective import OBJECTIVE_RULE, parse_objective
from lab.run_settings import timespan_seconds
from lab.user_kind import CLOSED
from loadtest.users.catalogue import allowed_kinds, parse_user_kinds
from loadtest.users.shapes import allowed_shapes, parse_shape
from service_kit.settings_errors import ContradictionError


def _timespan(shortest_seconds: int, longest_seconds: int) -> Callable[[str], str]:
    def checked(timespan: str) -> str:
        if not shortest_seconds <= timespan_seconds(timespan) <= longest_seconds:
            raise ValueError("out of range")
        return timespan

    return checked


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(character.isspace() for character in url):
        raise ValueError("not a URL of a server")
    return url.rstrip("/")


def _path(path: str) -> str:
    if not re.fullmatch(r"/[!-~]*", path) or len(path) > 2000:
        raise ValueError("not a path")
    return path


def _pattern(name: str) -> str:
    if name not in PATTERNS:
        raise ValueError("no such pattern")
    return name


def _objective(text: str) -> str:
    objective = parse_objective(text)
    return "" if objective is None else objective.text


def _user_kind(text: str) -> str:
    parse_user_kinds(text)
    return " ".join(text.split())


def _shape(text: str) -> str:
    parse_shape(text)
    return " ".join(text.split())


def allowed(words: str) -> JsonDict:
    """Return the note on a field with what its validator allows, in words."""
    return {"allowed": words}


HttpUrl = Annotated[
    str, AfterValidator(_http_url), Field(json_schema_extra=allowed("http://host:port or https://host"))
]
Port = Annotated[int, Field(ge=1, le=65_535)]
RequestPath = Annotated[str, AfterValidator(_path), Field(json_schema_extra=allowed("a path that begins with /"))]
PatternName = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra=allowed(", ".join(PATTERNS)))]
UserKind = Annotated[str, AfterValidator(_user_kind), Field(json_schema_extra=allowed(allowed_kinds()))]
ShapeText = Annotated[str, AfterValidator(_shape), Field(json_schema_extra=allowed(allowed_shapes()))]
ObjectiveText = Annotated[str, AfterValidator(_objective), Field(json_schema_extra=allowed(OBJECTIVE_RULE))]
RunLabel = Annotated[run_name.RunLabel, Field(json_schema_extra=allowed(run_name.LABEL_RULE))]
RunTime = Annotated[
    str, AfterValidator(_timespan(1, 86_400)), Field(json_schema_extra=allowed("1s to 24h, like 30s, 3m or 1h20m"))
]
StopTimeout = Annotated[str, AfterValidator(_timespan(0, 3600)), Field(json_schema_extra=allowed("0 to 1h, like 30s"))]


class Settings(BaseSettings):
    """The recorder's settings."""

    model_config = SettingsConfigDict(env_prefix="LAB_", env_ignore_empty=True, extra="ignore", frozen=True)

    runs_dir: Path = Field(Path("runs"), description="Folder that the run documents are written to; made if missing.")
    run_label: RunLabel = Field("", description="A name for the runs, shown in lists and used to compare them.")
    run_id: str = Field(
        "",
        pattern=f"^({run_name.RUN_ID})?$",
        description="Id of the first run this process makes; unset: made from the time.",
        json_schema_extra=allowed("up to 64 letters, digits, dots, dashes and underscores"),
    )
    run_group: str = Field(
        "",
        pattern=f"^({run_name.RUN_ID})?$",
        description="Id of the group that the runs of this process are of, as `./sandbox run --repeat` gives it.",
        json_schema_extra=allowed("up to 64 letters, digits, dots, dashes and underscores"),
    )
    request_path: RequestPath = Field(
        "/work", description="What the users GET from the proxy, over and over; the start form can change it for a run."
    )
    pattern: PatternName = Field(
        "forward",
        description="How the proxy calls the upstream: forward, or a calling pattern of those `/-/patterns` lists.",
    )
    user_kind: UserKind = Field(
        CLOSED,
        description="What the users do: a closed loop, a constant pace, open arrivals at a rate; several kinds, with "
        "weights, are joined by `;` (docs/users.md).",
    )
    shape: ShapeText = Field(
        "", description="How the number of users changes in the course of a run. Unset: LOCUST_USERS all the time."
    )
    objective: ObjectiveText = Field(
        "",
        description="What a run is to reach, such as `p99 < 1s, failures < 1%`: the verdict begins with whether it "
        "did. Unset: nothing in particular.",
    )
    upstream_control_url: HttpUrl = Field(
        "http://127.0.0.1:8091",
        description="Where the mock upstream reports its settings and counts; null in the run if nothing answers.",
    )
    net_control_url: HttpUrl = Field(
        "http://127.0.0.1:8092",
        description="Where the link reports its settings and measurements; null in the run if nothing answers.",
    )
    progress: bool = Field(
        False, description="Headless: print one JSON line a second on standard output, and nothing else there."
    )


class LocustSettings(BaseSettings):
    """Locust's own variables, as far as the sandbox fills them in or relies on them; others pass through untouched."""

    model_config = SettingsConfigDict(env_prefix="LOCUST_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: HttpUrl = Field("http://127.0.0.1:8000", description="The proxy under load, and where its counts are read.")
    users: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Users of a run, each with one request at a time; the start form can change it.",
    )
    spawn_rate: float | None = Field(
        None, gt=0, le=10_000, allow_inf_nan=False, description="Users started per second. Unset: all at once."
    )
    run_time: RunTime = Field("30s", description="Length of a run; the requests in flight at its end are waited for.")
    headless: bool = Field(False, description="Make one run without the web UI, record it and exit.")
    web_host: str = Field("127.0.0.1", description="Address the web UI listens on.")
    web_port: Port = Field(8089, description="Port the web UI listens on.")
    stop_timeout: StopTimeout = Field(
        "30s",
        description="Longest wait for requests in flight when a run stops; those cut off after it are in no count of "
        "Locust's.",
    )
    processes: int | None = Field(
        None, ge=1, le=64, description="Processes that make the load, under a master. Unset: one process, no master."
    )
    mode_master: bool = Field(False, description="Be the master of workers that are started separately.")
    mode_worker: bool = Field(False, description="Be a worker of the master at LOCUST_MASTER_NODE_HOST.")
    master_node_host: str = Field("127.0.0.1", description="Where a worker finds its master.")
    master_bind_port: Port = Field(
        5557, description="Port a master listens on for its workers; a worker's is LOCUST_MASTER_NODE_PORT."
    )
    expect_workers: int = Field(1, ge=1, le=1000, description="Workers a headless master waits for before it starts.")
    expect_workers_max_wait: int = Field(
        0, ge=0, le=3600, description="Seconds a headless master waits for its workers before it gives up; 0: forever."
    )

    @model_validator(mode="after")
    def _one_role(self) -> Self:
        if self.mode_master and self.mode_worker:
            raise ContradictionError(("mode_worker", "a master is no worker; allowed: LOCUST_MODE_MASTER unset"))
        if self.processes and (self.mode_master or self.mode_worker):
            allowed_words = "allowed: LOCUST_MODE_MASTER and LOCUST_MODE_WORKER unset"
            raise ContradictionError(("processes", f"makes its own master and workers; {allowed_words}"))
        return self

    @property
    def has_web_ui(self) -> bool:
        """Whether this process serves the web UI."""
        return not (self.headless or self.mode_worker)
