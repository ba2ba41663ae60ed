"""Run documents on disk: one file a run, written whole or not at all."""

import csv
import io
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lab.calling_pattern import FORWARD
from lab.conclusion import Bottleneck
from lab.run_document import RunDocument, RunMode, RunStatus
from lab.wording import changed_words, network_line, upstream_words


class RunNotFound(LookupError):
    """No run, or more than one, goes by that name; the message is one line to show to a user."""


class RunSummary(BaseModel):
    """What a list of runs shows of one run. `rps` counts what did not fail."""

    model_config = ConfigDict(frozen=True)

    id: str
    label: str
    group: str = ""
    started_at: datetime
    status: RunStatus
    mode: RunMode
    users: int
    client: str = ""
    pattern: str = ""
    max_connections: int | None
    keepalive: int | None = None
    kinds: str = ""
    upstream: str = ""
    rps: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    pool_wait_mean_ms: float | None
    requests: int
    failures: int
    bottleneck: Bottleneck
    because: str
    advice: str
    network: str
    changed: str = ""


def write_whole(path: Path, text: str) -> Path:
    """Write a file whole or not at all, and return its path; its folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def summarise(document: RunDocument) -> RunSummary:
    latency, start = document.latency_ms, document.settings.start
    proxy = start.proxy or {}
    maximum, keepalive = proxy.get("PROXY_MAX_CONNECTIONS"), proxy.get("PROXY_MAX_KEEPALIVE_CONNECTIONS")
    pattern = (start.load or {}).get("LAB_PATTERN")
    return RunSummary(
        id=document.id,
        label=document.label,
        group=document.group,
        started_at=document.started_at,
        status=document.status,
        mode=document.mode,
        users=document.users,
        client=str(proxy.get("PROXY_CLIENT") or ""),
        pattern="" if pattern in (None, FORWARD) else str(pattern),
        max_connections=document.pool.max if document.pool else maximum if isinstance(maximum, int) else None,
        kinds=", ".join(one.kind for one in document.kinds),
        keepalive=keepalive if isinstance(keepalive, int) else None,
        upstream=upstream_words(start.upstream) or str((start.upstream or {}).get("UPSTREAM_LATENCY") or ""),
        rps=round(document.totals.succeeded_rps, 3),
        mean_ms=latency.mean,
        p50_ms=latency.p50,
        p90_ms=latency.p90,
        p95_ms=latency.p95,
        p99_ms=latency.p99,
        max_ms=latency.max,
        pool_wait_mean_ms=document.pool.wait_ms.mean if document.pool else None,
        requests=document.totals.requests,
        failures=document.totals.failures,
        bottleneck=document.verdict.bottleneck,
        because=document.verdict.because,
        advice=document.verdict.advice.words,
        changed=changed_words(document.settings),
        network=network_line(document.network, None) or "",
    )


def csv_text(summaries: Iterable[RunSummary]) -> str:
    """Return a line for each run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(RunSummary.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary.model_dump(mode="json") for summary in summaries)
    return text.getvalue()


class RunStore:
    """The folder of run documents. Lists skip its unreadable files; asking for one raises RunNotFound."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._summaries: dict[Path, tuple[int, RunSummary]] = {}

    def write(self, document: RunDocument) -> Path:
        """Write `<id>.json` by way of a temporary file and a rename, and return its path."""
        return write_whole(self.directory / f"{document.id}.json", document.model_dump_json(indent=1))

    def read(self, run_id: str) -> RunDocument:
        """Return the run of that id; raise RunNotFound if there is none or its file is no run document."""
        path = self.directory / f"{run_id}.json"
        try:
            return RunDocument.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise RunNotFound(f"no run {run_id!r} in {self.directory}") from None
        except ValidationError as error:
            raise RunNotFound(f"{path} is no run document of this version: {error.error_count()} mistakes") from None

    def find(self, reference: str) -> RunDocument:
        """Return the run by id, by its unique beginning or last four characters, or the newest with that label."""
        summaries = self.summaries()
        if any(summary.id == reference for summary in summaries):
            return self.read(reference)
        labelled = [summary for summary in summaries if summary.label == reference]
        if labelled:
            return self.read(labelled[0].id)
        suffix = f"-{reference}"
        begun = [run for run in summaries if reference and (run.id.startswith(reference) or run.id.endswith(suffix))]
        if len(begun) == 1:
            return self.read(begun[0].id)
        if begun:
            raise RunNotFound(f"{reference!r} fits {len(begun)} run ids; give more of it")
        raise RunNotFound(f"no run has the id or the label {reference!r}; ./sandbox runs lists them")

    def find_repeats(self, reference: str) -> list[RunDocument]:
        """Return the run that `find` does; by a label, or by the id of a group, all runs of its group, oldest first."""
        summaries = self.summaries()
        groups = {run.group for run in summaries if run.group.endswith(f"-{reference}") or run.group == reference}
        group = groups.pop() if len(groups) == 1 and reference else ""
        if not group:
            found = self.find(reference)
            if not found.group or found.label != reference:
                return [found]
            group = found.group
        return [self.read(run.id) for run in reversed(summaries) if run.group == group]

    def count(self) -> int:
        """Return how many files there are, without reading them."""
        return sum(1 for _ in self.directory.glob("*.json"))

    def summaries(self) -> list[RunSummary]:
        """Return all runs, newest first. Files that have not changed are not read again."""
        if not self.directory.is_dir():
            return []
        known: dict[Path, tuple[int, RunSummary]] = {}
        for path in self.directory.glob("*.json"):
            entry = self._summary(path)
            if entry is not None:
                known[path] = entry
        self._summaries = known
        return sorted((summary for _, summary in known.values()), key=lambda s: (s.started_at, s.id), reverse=True)

    def _summary(self, path: Path) -> tuple[int, RunSummary] | None:
        try:
            modified_ns = path.stat().st_mtime_ns
            cached = self._summaries.get(path)
            if cached is not None and cached[0] == modified_ns:
                return cached
            return modified_ns, summarise(RunDocument.model_validate_json(path.read_bytes()))
        except (FileNotFoundError, ValidationError):
            return None
