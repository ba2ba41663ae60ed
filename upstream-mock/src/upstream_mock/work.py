"""/work: the response that the environment describes. Plain ASGI, since a benchmark must not measure the mock."""

from time import monotonic_ns

from upstream_mock.asgi import OPTIONS_KEY, Receive, Scope, Send, answer_json, has_body, refuse
from upstream_mock.capacity import QueueFullError
from upstream_mock.client import client_of
from upstream_mock.request_overrides import BadOverrideError, Overrides, Plan
from upstream_mock.state import Mock
from upstream_mock.work_response import WorkResponse

_ERROR_BODY = b'{"error":"UPSTREAM_ERROR_RATE"}'
_FULL_BODY = b'{"error":"UPSTREAM_QUEUE"}'
# How long the queue stays full is not known; this is the shortest time that is not "at once".
_FULL_HEADERS = [(b"x-upstream-error", b"queue_full"), (b"retry-after", b"1")]


def server_timing(*, queue_ms: float, work_ms: float, late_ms: float) -> bytes:
    """Server-Timing: the wait for a server, the latency that was drawn, and how much more it took."""
    return f"queue;dur={queue_ms:.3f}, work;dur={work_ms:.3f}, late;dur={late_ms:.3f}".encode()


class Work:
    """The ASGI app of /work: takes the request, waits for a server, lets the drawn latency pass, answers."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._error_rate = mock.settings.error_rate
        response = WorkResponse(mock.settings.payload())
        self._plan = Plan(response)
        self._overrides = Overrides(mock.settings.payload(), response)

    def skip(self) -> None:
        """Draw the numbers of a request that is not served, so that those of the requests after it do not change."""
        self._mock.latency.draw()
        self._mock.errors.random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Returns without an answer when the client has left."""
        mock, plan = self._mock, self._plan
        if special := scope["query_string"] or OPTIONS_KEY in scope:
            try:
                plan = self._overrides.plan(scope)
            except BadOverrideError as error:
                self.skip()
                client_of(scope).unserved = True
                await refuse(send, str(error))
                return
        # Drawn on arrival and for every request: the sequence is the seed's, whatever becomes of the request.
        drawn, failing = mock.latency.draw(plan.latency), mock.errors.random() < self._error_rate
        if special and has_body(scope) and not await _read_body(receive):
            return
        client = client_of(scope)
        arrived = monotonic_ns()
        try:
            if not await mock.capacity.enter(client):
                return
        except QueueFullError:
            await answer_json(send, 503, _FULL_BODY, _FULL_HEADERS)
            return
        queued_ms = (monotonic_ns() - arrived) / 1e6
        mock.capacity.waited(queued_ms)
        try:
            pause = await mock.pause(client, drawn)
        finally:
            mock.capacity.leave()
        if pause is None:
            return
        timing = server_timing(queue_ms=queued_ms, work_ms=pause.drawn_ms, late_ms=pause.late_ms)
        if failing and plan.status is None:
            await answer_json(send, 500, _ERROR_BODY, [(b"server-timing", timing)])
        else:
            await plan.response.give(mock.pause, client, scope, send, status=plan.status or 200, timing=timing)


async def _read_body(receive: Receive) -> bool:
    """Read the request's body to its end; False if the client left before."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        if not message.get("more_body"):
            return True
