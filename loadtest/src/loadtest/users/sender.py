"""A connection to the host under load: one request at a time, sent once, its outcome named."""

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession
from locust.user import User

from lab.account.failures import failure_kind
from lab.calling_pattern import path_by
from loadtest.first_bytes import FirstBytes
from loadtest.kind_counts import KindCounts
from loadtest.users.kind import Body, Outgoing
from loadtest.users.received_body import ReceivedBody

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

GET = Outgoing()


class RequestFailed(Exception):
    """A failure whose text is the kind that it is counted by."""

    def __repr__(self) -> str:
        return str(self)


class SentOnce(HTTPClientPool):
    """Connections of which none sends a request again.

    geventhttpclient does so up to `size` + 1 times when a server closes without an answer, whatever `max_retries` is:
    the proxy would count what Locust does not. After the pool is made `size` is used for that alone.
    """

    def __init__(self, *, resets: bool, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._resets = resets

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        pool: Any = client._connection_pool
        pool.size = -1
        if self._resets:
            pool.after_connect = _close_by_reset
        return client


def _close_by_reset(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Sender:
    """One connection of a user, which stays open. `row` is what Locust's table has its requests under.

    With a patience it leaves requests whose answers do not begin in time: no failures, and without a response time.
    """

    def __init__(self, user: User, row: str, patience_seconds: float | None = None, *, resets: bool = False) -> None:
        self._user = user
        self._row = row
        self._leaves = patience_seconds is not None
        self._session = FastHttpSession(
            base_url=user.host,
            request_event=user.environment.events.request,
            user=user,
            connection_timeout=CONNECTION_TIMEOUT_SECONDS,
            network_timeout=patience_seconds or NETWORK_TIMEOUT_SECONDS,
            max_retries=0,
            concurrency=1,
        )
        agent: Any = self._session.client
        agent.clientpool = SentOnce(resets=resets, **agent.clientpool.client_args)
        open_url, self._first_at = agent.urlopen, 0.0

        def urlopen(*arguments: Any, **options: Any) -> Any:
            response = open_url(*arguments, **options)
            self._first_at = time.perf_counter()
            return response

        agent.urlopen = urlopen

    def close(self) -> None:
        self._session.client.clientpool.close()

    def send(self, outgoing: Outgoing = GET, since: float | None = None) -> None:
        """Make one request and name its outcome; `since`: when it was meant to begin, by time.perf_counter."""
        options = self._user.environment.parsed_options
        path = path_by(options.pattern, options.request_path)
        began, self._first_at = since or time.perf_counter(), 0.0
        body: Any = outgoing.body  # geventhttpclient takes more than Locust has in its types
        with self._session.request(
            outgoing.method,
            path,
            name=f"{path} {self._row}" if self._row else path,
            headers={RUN_HEADER: options.run_id, **outgoing.headers},
            data=body,
            stream=outgoing.receive is not None,
            catch_response=True,
        ) as response:
            meta = response.request_meta
            left = self._leaves and isinstance(getattr(meta["exception"], "original", None), TimeoutError)
            if outgoing.receive is not None and meta["exception"] is None:
                left = self._receive(outgoing.receive, response)
            if since is not None or outgoing.receive is not None:
                meta["response_time"] = 1000 * (time.perf_counter() - began)
            self._name(response, left=left)
        if self._first_at:
            FirstBytes.of(self._user.environment).add(1000 * (self._first_at - began))
        if response.status_code == 0 and since is None and not left:
            # A closed loop against a closed port would spin as fast as the CPU can.
            gevent.sleep(RECONNECT_PAUSE_SECONDS)

    def _receive(self, receive: Callable[[Body], None], response: Any) -> bool:
        """Let the kind of user read the body; return whether it left before the end."""
        body = ReceivedBody(response._response)
        try:
            receive(body)
        except FAILURE_EXCEPTIONS as broken:
            response.request_meta["exception"] = broken
        self._first_at = body.first_at or self._first_at
        response.request_meta["response_length"] = body.received
        left = body.left
        body.leave()
        return left

    def _name(self, response: Any, *, left: bool) -> None:
        if left:
            KindCounts.of(self._user.environment).add(self._row, "left")
            response.request_meta["response_time"] = None
            response.success()
            return
        headers = response.headers or {}
        codes = headers.get(ERROR_HEADER), response.request_meta["exception"], headers.get(UPSTREAM_HEADER)
        kind = failure_kind(response.status_code, *codes)
        if kind is not None:
            response.failure(RequestFailed(kind))
