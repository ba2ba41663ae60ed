"""One request's use of a connection pool: it waits, holds a connection, gives it back; and where its time went."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Final, Protocol

from poolwatch import steps
from poolwatch.counters import Cell, Counters, PoolSlot
from poolwatch.phases import Phase, PhaseTimer, server_timing

_CONNECTING, _RETRIED, _REUSED = int(Cell.CONNECTING), int(Cell.RETRIED), int(Cell.REUSED)
_RUN_TRIES, _RUN_RETRIED = int(Cell.RUN_TRIES), int(Cell.RUN_RETRIED)
_RUN_SENT, _RUN_RESPONDED = int(Cell.RUN_SENT), int(Cell.RUN_RESPONDED)

current: Final[ContextVar["RequestTrace | None"]] = ContextVar("poolwatch_trace", default=None)
"""The trace that the running task or thread is part of. A watched client attaches to it instead of making its own."""


class Carrier(Protocol):
    """A connection as its request sees it."""

    def left(self, trace: "RequestTrace", /) -> None:
        """Note that the request has given the connection back."""


class RequestTrace:
    """One request, from its arrival to its end.

    Every method notes one moment and may be left out by a client that cannot tell; a step back (`retrying`) adds up.

    `held` and `always_unknown` are the monitor's; `on_end` takes the trace when it is over.
    `kept`: the connection had served another request before. `received`: bytes have come on this try, perhaps of a 1xx.
    `subject`: the client library's own request object.
    `tries`: how often a connection was asked for, or the client library sent it again by itself.
    `given_id`: its id, empty until one is given or read. `status`, `outcome`, `code`, `run`: what became
    of it, set by whoever made the trace. `attached`, `leaked`: see `attachment`.
    """

    def __init__(
        self,
        counters: Counters,
        held: "dict[RequestTrace, None]",
        on_end: "Callable[[RequestTrace], None] | None",
        new_id: Callable[[], str],
        always_unknown: tuple[Phase, ...] = (),
        method: str = "",
        path: bytes = b"",
        request_id: str = "",
        subject: object = None,
    ) -> None:
        self.cells = counters.cells
        self.slot = PoolSlot(counters)
        self.times = PhaseTimer(always_unknown)
        self._held = held
        self._on_end = on_end
        self._new_id = new_id
        self._always_unknown = always_unknown
        self._head_sent = self.received = False
        self.attached = self.leaked = self.kept = self.leak_logged = False
        self.carrier: Carrier | None = None
        self.method = method
        self.path = path
        self.given_id = request_id
        self.subject = subject
        self.code = ""
        self.run = b""
        self.outcome = self.status = self.tries = 0

    def __enter__(self) -> "RequestTrace":
        self._token = current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        self.end()

    @property
    def request_id(self) -> str:
        """The id under which logs and errors name this request: its own, or one that it is given now."""
        self.given_id = self.given_id or self._new_id()
        return self.given_id

    @property
    def granted(self) -> bool:
        """Whether it holds a connection, or a slot of the queue before the pool, now."""
        return self.slot.granted_ns != 0

    def body_read(self) -> None:
        """Note that the request's body was read first: the time so far is that of its sending."""
        if self.times.step == steps.ARRIVED:
            self.times.take(steps.ARRIVED, steps.IN_SEND)

    def queued(self) -> None:
        """Note that the request waits for its admission. Without it, what fails before `admitted` waited for none."""
        if self.times.step == steps.ARRIVED:
            self.times.take(steps.QUEUED, steps.IN_ADMISSION)

    def admitted(self) -> None:
        """Note that the request is worked on: from here on it waits for a connection."""
        if self.times.step <= steps.QUEUED:
            self.tries = 1
            if self.run:
                self.cells[_RUN_TRIES] += 1
            self.slot.ask(self.times.take(steps.ASKED, steps.IN_ADMISSION))

    def retrying(self) -> None:
        """Note that a try failed and another one begins: the connection is given up, the wait begins anew."""
        if self.times.step in (steps.BODY, steps.ENDED):
            return
        self.released()
        self.kept = False
        self._begin_retry()
        self.slot.ask(self.times.take(steps.ASKED, steps.IN_PROXY))

    def head_sent(self, *, again: bool = False) -> None:
        """Note that the request's head goes out, or may have; counted once a try. `writing` implies it.

        `again`: the client library sends the request once more by itself.
        """
        if again:
            self._begin_retry()
        if not self._head_sent:
            self._head_sent = True
            if self.run:
                self.cells[_RUN_SENT] += 1

    def grant(self) -> None:
        """Note that it holds a slot now. `connecting` and `writing` imply it."""
        if self.times.step <= steps.QUEUED:
            self.admitted()
        if self.slot.asked_ns and not self.slot.granted_ns:  # a library may go on for a request that was given up
            self.slot.grant(self.times.take(steps.GRANTED, steps.IN_POOL_WAIT))
            self._held[self] = None

    def connecting(self) -> None:
        """Note that a connection is being opened for this request."""
        self.grant()
        step = self.times.step
        if self.slot.granted_ns and step < steps.HEAD and step != steps.CONNECTING:
            self.times.take(steps.CONNECTING, steps.IN_PROXY if step == steps.GRANTED else steps.PHASE_OF_STEP[step])
            self.cells[_CONNECTING] += 1

    def connected(self) -> None:
        """Note that opening the connection ended, well or not."""
        if self.times.step == steps.CONNECTING:
            self.times.take(steps.CONNECTED, steps.IN_CONNECT)
            self.cells[_CONNECTING] -= 1

    def secured(self) -> None:
        """Note that the TLS handshake ended, which began with the end of connecting."""
        if self.times.step == steps.CONNECTED:
            self.times.take(steps.CONNECTED, steps.IN_TLS)

    def writing(self, kept: bool) -> bool:
        """Note that the request goes out; `kept`: the connection has served another before.

        Returns whether it holds the connection; one that was given up does not.
        """
        if not self.slot.granted_ns:
            self.grant()
        granted = self.slot.granted_ns != 0
        if granted and self.times.step < steps.SENDING:
            if self.times.step == steps.CONNECTING:
                self.connected()
            self.times.take(steps.SENDING, steps.IN_PROXY)
            self.head_sent()
            self.kept = kept
            if kept:
                self.cells[_REUSED] += 1
        return granted

    def sent(self) -> None:
        """Note that the request is out, its body too; the last call counts."""
        if self.times.step in (steps.SENDING, steps.SENT):
            self.times.take(steps.SENT, steps.IN_SEND)

    def responding(self) -> None:
        """Note that bytes of a response are there, perhaps of a 1xx. `head_received` implies it."""
        if not self.received:  # a short answer is read, and its connection released, before it is noted
            self.received = True
            if self.run:
                self.cells[_RUN_RESPONDED] += 1

    def head_received(self) -> None:
        """Note that the first bytes of the response are there."""
        self.responding()
        if self.times.step == steps.SENT:
            self.times.unknown = self._always_unknown
            self.times.take(steps.HEAD, steps.IN_UPSTREAM)
        elif self.times.step < steps.SENT:
            self.grant()
            self.connected()
            self.head_sent()
            knows_nothing = self.times.step == steps.GRANTED
            self.times.unknown = self._always_unknown + (steps.ALL_UNKNOWN if knows_nothing else steps.SEND_UNKNOWN)
            self.times.take(steps.HEAD, steps.IN_OTHER if knows_nothing else steps.IN_UPSTREAM)

    def answering(self, upstream_headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes | None:
        """Note that the response's head is passed on now. Returns the value of a Server-Timing; None without `on_end`.

        The wait for the first byte is one there, beside the upstream's own Server-Timing; `PhaseTimer.settle` tells the
        upstream from the network. The headers are kept until then: do not append a metric of the same name to them.
        """
        self.times.take(steps.BODY, steps.PHASE_OF_STEP[self.times.step])
        if self._on_end is None:
            return None
        if upstream_headers:
            self.times.upstream_headers = upstream_headers
        return server_timing(self.times.spent_ns)

    def body_done(self) -> None:
        """Note that the last byte was passed on."""
        if self.times.step == steps.BODY:
            self.times.take(steps.DONE, steps.IN_BODY)

    def released(self) -> None:
        """Note that the connection was given back, or that the request waits for none any more."""
        if not self.slot.asked_ns:
            return
        if self.times.step == steps.CONNECTING:
            self.connected()
        if self.slot.granted_ns:
            del self._held[self]
            if self.carrier is not None:
                self.carrier.left(self)
                self.carrier = None
        self.slot.leave(perf_counter_ns())
        step = self.times.step
        if step < steps.BODY:  # a response given back before its head is passed on was read whole by then
            self.times.take(steps.DONE, steps.IN_BODY if step == steps.HEAD else steps.PHASE_OF_STEP[step])

    def end(self) -> None:
        """Note that nothing more happens: give back what is held. Leaving the `with` does it."""
        if self.times.step == steps.ENDED:
            return
        if self.slot.asked_ns:
            self.released()
        self.times.take(steps.ENDED, steps.PHASE_OF_STEP[self.times.step])
        if self._on_end is not None:
            self._on_end(self)

    def _begin_retry(self) -> None:
        self.tries += 1
        self._head_sent = self.received = False
        self.cells[_RETRIED] += 1
        if self.run:
            self.cells[_RUN_TRIES] += 1
            self.cells[_RUN_RETRIED] += 1
