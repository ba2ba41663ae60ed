"""What a pattern calls and with which clients: the proxy's settings in each library's own words.

The clients are the libraries' own, as `httpx.AsyncClient(limits=..., timeout=...)` makes them, watched by
poolwatch. Proxies of the environment are off, so that the traffic stays in the sandbox. PROXY_QUEUE, PROXY_RETRIES
and whatever else the patterns' authors do not have is not applied.
"""

import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from starlette.requests import Request

import poolwatch
from poolwatch.monitor import Monitor
from poolwatch.network import Connections
from proxy.pattern_runtime.loop_reporter import LoopReporter
from proxy.settings import Settings

if TYPE_CHECKING:
    import requests

    from proxy.pattern_runtime.urllib3_watch import PoolClasses

RUN_HEADER = "x-sandbox-run"

_Client = TypeVar("_Client", httpx.AsyncClient, httpx.Client)


class Upstream:
    """The service that patterns call. One for each worker, made in its loop."""

    def __init__(self, settings: Settings, watch: Monitor) -> None:
        self._settings = settings
        self._watch = watch
        self._reporter = LoopReporter()
        self.limits = httpx.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.keepalive_connections,
            keepalive_expiry=settings.keepalive_expiry_seconds,
        )
        self.timeout = httpx.Timeout(
            connect=settings.connect_timeout_seconds,
            read=settings.read_timeout_seconds,
            write=settings.write_timeout_seconds,
            pool=settings.pool_timeout_seconds,
        )
        self.requests_timeout = (settings.connect_timeout_seconds, settings.read_timeout_seconds)

    def url(self, request: Request) -> str:
        """Return where a request to a pattern goes on to: the upstream's URL, the path and the query."""
        query: bytes = request.scope["query_string"]
        path: bytes = request.scope["raw_path"]
        return self._settings.upstream_url + path.decode("ascii") + ("?" + query.decode("ascii") if query else "")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the only header that every pattern passes on: the run's, which the upstream counts by."""
        return {RUN_HEADER: request.headers[RUN_HEADER]} if RUN_HEADER in request.headers else {}

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """Return `httpx.AsyncClient(limits=limits, timeout=timeout, **options)`, watched."""
        return self._watched(httpx.AsyncClient(**self._options, **options))

    def sync_client(self, **options: Any) -> httpx.Client:
        """Return `httpx.Client(limits=limits, timeout=timeout, **options)`, watched."""
        return self._watched(httpx.Client(**self._options, **options))

    @property
    def _options(self) -> dict[str, Any]:
        return {"limits": self.limits, "timeout": self.timeout, "verify": self._verify(), "trust_env": False}

    def _watched(self, client: _Client) -> _Client:
        poolwatch.observe(client, held_seconds=None, monitor=self._watch, report=self._reporter.report)
        return client

    def session(self) -> "requests.Session":
        """Return `requests.Session()` with an `HTTPAdapter(pool_maxsize=...)` for its connections, watched."""
        import requests  # only the patterns of requests wait for its import

        from proxy.pattern_runtime.urllib3_watch import WatchedAdapter

        session = requests.Session()
        session.trust_env = False
        if self._settings.ca_file is not None:
            session.verify = str(self._settings.ca_file)
        adapter = WatchedAdapter(self._pool_classes, pool_maxsize=self._settings.max_connections)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    @cached_property
    def _pool_classes(self) -> "PoolClasses":
        from proxy.pattern_runtime.urllib3_watch import watched_pools

        return watched_pools(Connections(self._watch, self._reporter.report))

    def _verify(self) -> ssl.SSLContext | bool:
        # httpx makes a context for each client, which is the better part of a client's price; so does this
        if self._settings.ca_file is None:
            return True
        return ssl.create_default_context(cafile=str(self._settings.ca_file))
