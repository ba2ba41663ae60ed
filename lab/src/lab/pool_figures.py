"""The proxy's pool of connections over a run, and who closed them: parts of the run document."""

from typing import Literal

from pydantic import Field

from lab.document_part import DistributionMs, DocumentPart


class PoolWorker(DocumentPart):
    """One worker's share of it: requests that ended, and its own pool and CPU. Means as in `Pool`."""

    pid: int
    requests: int
    active_mean: float | None
    waiting_mean: float | None
    wait_mean_ms: float | None
    timeouts: int
    cpu_cores: float | None


class Pool(DocumentPart):
    """The proxy's pool over the run, all workers together.

    `opened`, `reused` and `closed` are null where the client library does not report its connections.
    `active_mean` and `waiting_mean` are time averages by Little's law (time held, or waited, over the window's length).
    `leaked` connections are held, at the end, by requests that are over, `lost` ones by none: the client library counts
    them as taken. `active_are` requests over HTTP/2, where many share a connection, and with a calling pattern that
    bounds none; `open_at_end` are always connections.
    """

    max: int
    opened: int | None
    reused: int | None
    closed: int | None
    timeouts: int
    active_max: int | None = None
    active_mean: float | None = None
    waiting_max: int | None = None
    waiting_mean: float | None = None
    leaked: int = 0
    lost: int = 0
    wait_ms: DistributionMs
    active_are: Literal["connections", "requests"] = "connections"
    open_at_end: int | None = None
    workers: list[PoolWorker] = Field(default_factory=list)


class Closings(DocumentPart):
    """Which side closed the connections of the run, as the mock saw it: the proxy's client library, or the upstream.

    `idle` are those of the upstream's that had been idle for too long, `reset` those of the client's by a RST. From the
    client's end, null where its library does not report it: `found_ended` had been closed by the upstream, `expired`
    were not used for a tenth of a second. What it closed besides was just used: one too many, or its answer the last.
    """

    by_client: int
    by_upstream: int
    idle: int
    reset: int
    found_ended: int | None = None
    expired: int | None = None
