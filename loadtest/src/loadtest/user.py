"""The closed-loop user: one request at a time, the next as soon as the answer is there."""

import time
from typing import Any

import gevent
from locust import FastHttpUser, constant, task
from locust.env import Environment
from locust.user.task import LOCUST_STATE_STOPPING

from lab.account.failures import failure_kind
from lab.calling_pattern import path_by
from loadtest.first_bytes import FirstBytes

RUN_HEADER = "x-sandbox-run"
"""Carries the run's id through the proxy to the upstream, so that each can count the run's requests."""

ERROR_HEADER = "x-proxy-error"
"""The proxy's own errors carry their code here; an error of the upstream comes without it."""

UPSTREAM_HEADER = "x-upstream-error"
"""The mock puts here why it refused, and the proxy passes it on."""

RECONNECT_PAUSE_SECONDS = 0.1


class RequestFailed(Exception):
    """A failure whose text is the kind that it is counted by."""

    def __repr__(self) -> str:
        return str(self)


class ClosedLoopUser(FastHttpUser):
    """GETs one path over and over. Throughput is what the system gives: a slower answer means fewer requests.

    `concurrency = 1`: a user has one connection and one request. With more, geventhttpclient sends a request again
    up to that many times when a server closes without an answer, and the proxy would count what Locust does not.

    The time-outs lie below LOCUST_STOP_TIMEOUT (30 s): when a run stops, Locust waits that long for its users and
    then cuts them off in the middle of a request, which the proxy has counted and Locust never will. So each
    request must end, as an answer or as a failure, before that.
    """

    concurrency = 1
    connection_timeout = 5.0
    network_timeout = 25.0
    wait_time = constant(0)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        agent: Any = self.client.client
        open_url, self._head_at = agent.urlopen, 0.0

        def urlopen(*arguments: Any, **options: Any) -> Any:
            response = open_url(*arguments, **options)
            self._head_at = time.perf_counter()
            return response

        agent.urlopen = urlopen

    def on_stop(self) -> None:
        """Close the connection: a server that limits them counts those that are idle, too."""
        self.client.client.clientpool.close()

    @task
    def request(self) -> None:
        """Make one request and name its outcome."""
        options = self.environment.parsed_options
        path = path_by(options.pattern, options.request_path)
        began, self._head_at = time.perf_counter(), 0.0
        with self.client.get(path, headers={RUN_HEADER: options.run_id}, catch_response=True) as response:
            headers = response.headers or {}
            codes = headers.get(ERROR_HEADER), response.request_meta["exception"], headers.get(UPSTREAM_HEADER)
            kind = failure_kind(response.status_code, *codes)
            if kind is not None:
                response.failure(RequestFailed(kind))
        if self._head_at:
            FirstBytes.of(self.environment).add(1000 * (self._head_at - began))
        if response.status_code == 0:
            # A closed loop against a closed port would spin as fast as the CPU can.
            gevent.sleep(RECONNECT_PAUSE_SECONDS)

    def stop(self, force: bool = False) -> bool:
        """Stop as Locust does. A second stop changes nothing: Ctrl-C reaches a worker itself and by way of its master.

        Locust would raise, and log a trace of what is no mistake.
        """
        if self._state == LOCUST_STATE_STOPPING and not force:
            return False
        return bool(super().stop(force))
