"""Watches the connection pool of an HTTP client from inside.

watch = poolwatch.observe(client)          # httpx, httpx2 or aiohttp
app.mount("/pool", poolwatch.page(watch))
"""

from typing import Any

from poolwatch.aiohttp_session import observe_aiohttp
from poolwatch.httpx_client import observe_httpx
from poolwatch.monitor import Monitor
from poolwatch.network import Report
from poolwatch.page import page
from poolwatch.watch import Label, Watch

__all__ = ["Watch", "observe", "page"]


def observe(
    client: Any,
    *,
    label: Label | None = None,
    held_seconds: float | None = 30.0,
    monitor: Monitor | None = None,
    report: Report | None = None,
) -> Watch:
    """Watch the pool of an httpx or httpx2 Client or AsyncClient, or of an aiohttp ClientSession.

    Call it before the first request. `label` names a request better than its method and path do; it is given the
    library's own request (aiohttp: TraceRequestStartParams). A connection held longer than `held_seconds` by one
    request is logged, once; None logs nothing. With `monitor` the client is counted in that one's figures, and threads
    report by `report`, which calls where these are written. Raises ValueError for a client that is in use or observed
    already, or that has no pool.
    """
    if hasattr(client, "trace_configs") and hasattr(client, "connector"):
        return observe_aiohttp(client, label, held_seconds, monitor=monitor, report=report)
    return observe_httpx(client, label, held_seconds, monitor=monitor, report=report)
