"""What the proxy adds to uvicorn's HTTP/1.1 connections, whichever parser reads them.

The connection reports to the request when the caller leaves; it refuses by errors of the proxy's own; and it answers a
caller that has closed only its sending side.
"""

from typing import Any, Final

from proxy.errors import ProxyError
from proxy.forward.caller_timeouts import Caller
from proxy.forward.downstream_connection import STATE_KEY, DownstreamConnection
from proxy.forward.refusal import overloaded, raw_error
from service_kit.ordered_refusal import OrderedRefusals, disconnect

LOOK_EVERY_SECONDS: Final = 0.1
"""How soon after a caller's FIN it is asked whether it still reads, and how often it is looked at from then on."""

LOOKS: Final = 3
"""An answer that had begun before the FIN is given up after so many looks in which the caller took none of it."""

STILL_THERE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What asks it: legal before any final answer (RFC 9110 section 15.2), and reset by a caller that has closed it all."""

_ERRORS: Final = {
    400: ("bad_request", ""),
    408: ("caller_timeout", ""),
    414: ("target_too_long", ""),
    431: ("headers_too_large", ""),
    501: ("not_implemented", "the only transfer coding taken is chunked"),
    505: ("http_version_not_supported", "HTTP/1.1 and HTTP/1.0 are spoken here"),
}


class CallerProtocol(OrderedRefusals):
    """Mixed into a protocol class of uvicorn's; each request's state has its `DownstreamConnection`.

    The connection is under the worker's time-outs for callers, if the app has some in its state.
    """

    scope: Any
    app: Any
    config: Any
    connections: Any
    tasks: Any
    limit_concurrency: int | None
    app_state: dict[str, Any]
    caller: Caller | None = None
    timeout_keep_alive_task: Any
    partial_head: bytes
    """What is here of a head that is not whole."""
    _half_closed = False

    def connection_made(self, transport: Any) -> None:
        """Accepted."""
        self.downstream = DownstreamConnection(self._cut_answer, transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, STATE_KEY: self.downstream}
        self._max_concurrency, self.limit_concurrency = self.limit_concurrency, None
        if self._max_concurrency is not None:
            self.before_request = self._limit_concurrency
        super().connection_made(transport)
        if "forwarding" in self.app_state:
            self.caller = self.app_state["forwarding"].callers.add(self, self.downstream)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or was cut off."""
        super().connection_lost(exc)
        self.downstream.lose()
        if self.caller is not None:
            self.caller.lost()

    def _cut_answer(self) -> None:
        """Close within an answer. uvicorn does so too for an app that returns, but logs that as a fault of the app."""
        disconnect(self.answering)
        self.transport.close()

    def _limit_concurrency(self) -> None:
        """Do what uvicorn does with UVICORN_LIMIT_CONCURRENCY, but by an error of our own."""
        limit = self._max_concurrency
        over = limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)
        self.app = overloaded if over else self.config.loaded_app

    def refusal(self, status: int, *, has_body: bool) -> bytes:
        """Return the proxy's own error, whole."""
        error = ProxyError(*_ERRORS[status])
        if status != 408 and "forwarding" in self.app_state:  # a time-out is counted where it is found
            self.app_state["forwarding"].note(error)
        return raw_error(error, has_body=has_body)

    def body_broken(self) -> None:
        """The rest of the body of a request that is being answered will not come.

        A request that reads it ends as if its caller had left; one that has sent all but the end of its answer ends.
        """
        if self.downstream.on_lost is None:
            super().body_broken()
        else:
            self.cycle.keep_alive = False
            self.downstream.lose()

    def eof_received(self) -> Any:  # uvicorn's has no value
        """The caller closed its side; return whether the connection stays open for the answers that are due.

        uvicorn takes a FIN for the end of the connection. It is one if a request is not whole yet. Else the caller may
        only have closed its side and wait for the answer: the two look the same until something is sent, so something
        is, the answer or a question.
        """
        self.refuse(None)
        if self.ended or self.transport.is_closing():
            return False
        self._closed_its_side()
        return True

    def look_whether_it_left(self) -> None:
        """Ask the kernel, where nothing is read: more of a body is here than is taken, or a request behind another."""
        if self.flow.read_paused and not self.transport.is_closing():
            if self.downstream.was_reset():
                self.transport.abort()
            elif self.downstream.has_closed_its_side():
                self._closed_its_side()

    def _closed_its_side(self) -> None:
        if not self._half_closed:
            self._half_closed = True
            self.loop.call_later(LOOK_EVERY_SECONDS, self._look, self.downstream.acknowledged_bytes(), LOOKS)

    def _look(self, acknowledged_before: int, looks_left: int) -> None:
        """`looks_left`: how many the caller has to take some of its answer; 0: it was seen to read."""
        if self.transport.is_closing():
            return
        acknowledged = self.downstream.acknowledged_bytes()
        if acknowledged != acknowledged_before:
            looks_left = 0
        if looks_left == 1 or self.downstream.was_reset():
            self.transport.abort()
            return
        if looks_left and not self.answering.response_started:
            if self.answering.scope["http_version"] == "1.0":  # knows no 100 Continue
                self.transport.close()
                return
            self.transport.write(STILL_THERE)
            looks_left = 0  # a caller that does not read resets it
        self.loop.call_later(LOOK_EVERY_SECONDS, self._look, acknowledged, max(0, looks_left - 1))
