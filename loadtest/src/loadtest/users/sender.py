"""A connection to the host under load: one request at a time, sent once, its outcome named."""

import time
from typing import Any

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpSession
from locust.user import User

from lab.account.failures import failure_kind
from lab.calling_pattern import path_by
from loadtest.first_bytes import FirstBytes

RUN_HEADER = "x-sandbox-run"
"""Carries the run's id through the proxy to the upstream, so that each can count the run's requests."""

ERROR_HEADER = "x-proxy-error"
"""The proxy's own errors carry their code here; an error of the upstream comes without it."""

UPSTREAM_HEADER = "x-upstream-error"
"""The mock puts here why it refused, and the proxy passes it on."""

CONNECTION_TIMEOUT_SECONDS = 5.0
NETWORK_TIMEOUT_SECONDS = 25.0
"""Both lie below LOCUST_STOP_TIMEOUT (30 s).

When a run stops, Locust waits that long for its users and then cuts them off in the middle of a request, which the
proxy has counted and Locust never will. So each request must end, as an answer or as a failure, before that.
"""

RECONNECT_PAUSE_SECONDS = 0.1


class RequestFailed(Exception):
    """A failure whose text is the kind that it is counted by."""

    def __repr__(self) -> str:
        return str(self)


class SentOnce(HTTPClientPool):
    """Connections of which none sends a request again.

    geventhttpclient does so up to `size` + 1 times when a server closes without an answer, whatever `max_retries` is:
    the proxy would count what Locust does not. After the pool is made `size` is used for that alone.
    """

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        client._connection_pool.size = -1
        return client


class Sender:
    """One connection of a user, which stays open. `row` is what Locust's table has its requests under."""

    def __init__(self, user: User, row: str) -> None:
        self._user = user
        self._row = row
        self._session = FastHttpSession(
            base_url=user.host,
            request_event=user.environment.events.request,
            user=user,
            connection_timeout=CONNECTION_TIMEOUT_SECONDS,
            network_timeout=NETWORK_TIMEOUT_SECONDS,
            max_retries=0,
            concurrency=1,
        )
        agent: Any = self._session.client
        agent.clientpool = SentOnce(**agent.clientpool.client_args)
        open_url, self._head_at = agent.urlopen, 0.0

        def urlopen(*arguments: Any, **options: Any) -> Any:
            response = open_url(*arguments, **options)
            self._head_at = time.perf_counter()
            return response

        agent.urlopen = urlopen

    def close(self) -> None:
        self._session.client.clientpool.close()

    def send(self, since: float | None = None) -> None:
        """Make one request and name its outcome; `since`: when it was meant to begin, by time.perf_counter."""
        options = self._user.environment.parsed_options
        path = path_by(options.pattern, options.request_path)
        began, self._head_at = since or time.perf_counter(), 0.0
        name = f"{path} {self._row}" if self._row else path
        with self._session.get(path, name=name, headers={RUN_HEADER: options.run_id}, catch_response=True) as response:
            if since is not None:
                response.request_meta["response_time"] = 1000 * (time.perf_counter() - since)
            headers = response.headers or {}
            codes = headers.get(ERROR_HEADER), response.request_meta["exception"], headers.get(UPSTREAM_HEADER)
            kind = failure_kind(response.status_code, *codes)
            if kind is not None:
                response.failure(RequestFailed(kind))
        if self._head_at:
            FirstBytes.of(self._user.environment).add(1000 * (self._head_at - began))
        if response.status_code == 0 and since is None:
            # A closed loop against a closed port would spin as fast as the CPU can.
            gevent.sleep(RECONNECT_PAUSE_SECONDS)
