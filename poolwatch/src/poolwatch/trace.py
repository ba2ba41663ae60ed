"""One request's use of a connection pool: it waits, holds a connection, gives it back; and where its time went.

A step at a time: each moment between the beginning and the end belongs to exactly one phase, so the phases add up to
the whole. Plain numbers stand for enum members here: looking one up costs more than what is done with it.
"""

from collections.abc import Callable, MutableSequence, Sequence
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Final, Protocol

from poolwatch.counters import Cell, Counters, Histogram
from poolwatch.phases import UNKNOWN, Phase, reported_ns, server_timing

ARRIVED, QUEUED, THREADING, ASKED, GRANTED, CONNECTING, CONNECTED = range(7)
SENDING, SENT, HEAD, BODY, DONE, ENDED = range(7, 13)
_PHASES: Final = (
    Phase.PROXY,
    Phase.ADMISSION,
    Phase.THREAD_WAIT,
    Phase.POOL_WAIT,
    Phase.OTHER,
    Phase.CONNECT,
    Phase.PROXY,
    Phase.SEND,
    Phase.UPSTREAM,
    Phase.PROXY,
    Phase.BODY,
    Phase.PROXY,
    Phase.PROXY,
)
_PHASE_OF_STEP: Final = tuple(int(phase) for phase in _PHASES)
_SEND_UNKNOWN: Final = (Phase.SEND,)
_ALL_UNKNOWN: Final = (Phase.CONNECT, Phase.TLS, Phase.SEND, Phase.UPSTREAM_QUEUE, Phase.UPSTREAM, Phase.NETWORK)
_NO_TIME: Final = [0] * len(Phase)

_ACTIVE: Final = int(Cell.ACTIVE)
_ACTIVE_MAX: Final = int(Cell.RUN_ACTIVE_MAX)
_CONNECTING: Final = int(Cell.CONNECTING)
_HOLD_COUNT: Final = int(Cell.HOLD_COUNT)
_HOLD_NS: Final = int(Cell.HOLD_NS)
_LEAKED: Final = int(Cell.LEAKED)
_RETRIED: Final = int(Cell.RETRIED)
_REUSED: Final = int(Cell.REUSED)
_RUN_RESPONDED: Final = int(Cell.RUN_RESPONDED)
_RUN_RETRIED: Final = int(Cell.RUN_RETRIED)
_RUN_SENT: Final = int(Cell.RUN_SENT)
_RUN_TRIES: Final = int(Cell.RUN_TRIES)
_WAIT: Final = int(Histogram.WAIT)
_WAITING: Final = int(Cell.WAITING)
_WAITING_MAX: Final = int(Cell.RUN_WAITING_MAX)
_IN_ADMISSION: Final = int(Phase.ADMISSION)
_IN_BODY: Final = int(Phase.BODY)
_IN_CONNECT: Final = int(Phase.CONNECT)
_IN_NETWORK: Final = int(Phase.NETWORK)
_IN_OTHER: Final = int(Phase.OTHER)
_IN_POOL_WAIT: Final = int(Phase.POOL_WAIT)
_IN_PROXY: Final = int(Phase.PROXY)
_IN_SEND: Final = int(Phase.SEND)
_IN_THREAD_WAIT: Final = int(Phase.THREAD_WAIT)
_IN_TLS: Final = int(Phase.TLS)
_IN_UPSTREAM: Final = int(Phase.UPSTREAM)
_IN_UPSTREAM_QUEUE: Final = int(Phase.UPSTREAM_QUEUE)

current: Final[ContextVar["RequestTrace | None"]] = ContextVar("poolwatch_trace", default=None)
"""The trace that the running task or thread is part of. A watched client attaches to it instead of making its own."""


class Carrier(Protocol):
    """A connection as its request sees it."""

    def left(self, trace: "RequestTrace", /) -> None:
        """Note that the request has given the connection back."""


class RequestTrace:
    """One request, from its arrival to its end. Durations are in nanoseconds by `perf_counter_ns`.

    Every method notes one moment and may be left out by a client that cannot tell; a step back (`retrying`) adds up.

    `held` has the traces that hold a connection, oldest first; `on_end` takes the trace when it is over;
    `always_unknown` are the phases that the client in use can never tell.
    `kept`: the connection had served another request before. `subject`: the client library's own request object.
    `tries`: how often a connection was asked for, or the client library sent it again by itself. `upstream_headers`: of
    the response.
    `given_id`: its id, empty as long as nobody gave or asked for one. `status`, `outcome`, `code`, `run`: what became
    of it, set by whoever made the trace.
    """

    __slots__ = (
        "_always_unknown",
        "_asked_ns",
        "_attached",
        "_cells",
        "_counters",
        "_granted_ns",
        "_head_sent",
        "_held",
        "_leaked",
        "_new_id",
        "_on_end",
        "_responded",
        "_since_ns",
        "_step",
        "_token",
        "_unknown",
        "began_ns",
        "carrier",
        "code",
        "given_id",
        "kept",
        "leak_logged",
        "method",
        "outcome",
        "path",
        "run",
        "spent_ns",
        "status",
        "subject",
        "tries",
        "upstream_headers",
    )

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
        self._counters = counters
        self._cells: MutableSequence[int] = counters.cells
        self._held = held
        self._on_end = on_end
        self._new_id = new_id
        self._always_unknown = always_unknown
        self._unknown: tuple[Phase, ...] = ()
        self.upstream_headers: Sequence[tuple[bytes, bytes]] = ()
        self._granted_ns = self._asked_ns = 0
        self._attached = self._leaked = self._head_sent = self._responded = self.kept = self.leak_logged = False
        self.carrier: Carrier | None = None
        self.method = method
        self.path = path
        self.given_id = request_id
        self.subject = subject
        self.code = ""
        self.run = b""
        self.outcome = self.status = self.tries = 0
        self.spent_ns = _NO_TIME.copy()
        self._step = ARRIVED
        self.began_ns = self._since_ns = perf_counter_ns()

    def __enter__(self) -> "RequestTrace":
        self._token = current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        self.end()

    @property
    def request_id(self) -> str:
        """The id under which logs and errors name this request: its own, or one that it is given now."""
        if not self.given_id:
            self.given_id = self._new_id()
        return self.given_id

    @property
    def granted(self) -> bool:
        """Whether it holds a connection, or a slot of the queue before the pool, now."""
        return self._granted_ns != 0

    @property
    def held_seconds(self) -> float:
        """How long it has held its connection; 0 without one."""
        return (perf_counter_ns() - self._granted_ns) / 1e9 if self._granted_ns else 0.0

    @property
    def received(self) -> bool:
        """Whether bytes of a response have come, on this try."""
        return self._step in (HEAD, BODY)

    @property
    def total_ns(self) -> int:
        """From the beginning to the last step; of one that has ended, all its time."""
        return self._since_ns - self.began_ns

    def attach(self) -> bool:
        """Let a watched client report to this trace. False if it has a connection, or is answered or over."""
        if self._attached or self._granted_ns or self._step in (BODY, ENDED):
            return False
        self._attached = True
        return True

    def ask_again(self) -> None:
        """Note that one more call begins: after another one it waits for a connection anew."""
        if self._step == DONE:
            self._begin_retry()
            self._ask(_IN_PROXY)

    def detach(self, *, failed: bool = False) -> None:
        """Note that the watched client is done. After a failure whoever made the trace may try again."""
        self._attached = False
        if self._leaked:
            self._leaked = False
            self._cells[_LEAKED] -= 1
            self.end()
        elif not failed:
            self.released()

    def body_read(self) -> None:
        """Note that the request's body was read first: the time so far is that of its sending."""
        if self._step == ARRIVED:
            self._to(ARRIVED, _IN_SEND)

    def queued(self) -> None:
        """Note that the request waits for its admission. Without it, what fails before `admitted` waited for none."""
        if self._step == ARRIVED:
            self._to(QUEUED, _IN_ADMISSION)

    def admitted(self) -> None:
        """Note that the request is worked on: from here on it waits for a connection."""
        if self._step <= QUEUED:
            self.tries = 1
            if self.run:
                self._cells[_RUN_TRIES] += 1
            self._ask(_IN_ADMISSION)

    def awaiting_thread(self) -> None:
        """Note that the request waits for a thread now, and not for a connection."""
        if self._asked_ns and not self._granted_ns and self._step == ASKED:
            self._cells[_WAITING] -= 1
            self._asked_ns = 0
            self._to(THREADING, _IN_PROXY)

    def in_thread(self) -> None:
        """Note that the request has its thread: from here on it waits for a connection."""
        if self._step == THREADING:
            self._ask(_IN_THREAD_WAIT)

    def retrying(self) -> None:
        """Note that a try failed and another one begins: the connection is given up, the wait begins anew."""
        if self._step in (BODY, ENDED):
            return
        self.released()
        self.kept = False
        self._begin_retry()
        self._ask(_IN_PROXY)

    def head_sent(self, *, again: bool = False) -> None:
        """Note that the request's head goes out, or may have; counted once a try. `writing` implies it.

        `again`: the client library sends the request once more by itself.
        """
        if again:
            self._begin_retry()
        if not self._head_sent:
            self._head_sent = True
            if self.run:
                self._cells[_RUN_SENT] += 1

    def grant(self) -> None:
        """Note that it holds a slot now. `connecting` and `writing` imply it."""
        if self._step <= QUEUED:
            self.admitted()
        if self._asked_ns and not self._granted_ns:  # a library may go on for a request that was given up
            now = self._granted_ns = self._to(GRANTED, _IN_POOL_WAIT)
            cells = self._cells
            cells[_WAITING] -= 1
            active = cells[_ACTIVE] + 1
            cells[_ACTIVE] = active
            if active > cells[_ACTIVE_MAX]:
                cells[_ACTIVE_MAX] = active
            self._counters.add(_WAIT, now - self._asked_ns)
            self._held[self] = None

    def connecting(self) -> None:
        """Note that a connection is being opened for this request."""
        self.grant()
        step = self._step
        if self._granted_ns and step < HEAD and step != CONNECTING:
            self._to(CONNECTING, _IN_PROXY if step == GRANTED else _PHASE_OF_STEP[step])
            self._cells[_CONNECTING] += 1

    def connected(self) -> None:
        """Note that opening the connection ended, well or not."""
        if self._step == CONNECTING:
            self._to(CONNECTED, _IN_CONNECT)
            self._cells[_CONNECTING] -= 1

    def secured(self) -> None:
        """Note that the TLS handshake ended, which began with the end of connecting."""
        if self._step == CONNECTED:
            self._to(CONNECTED, _IN_TLS)

    def writing(self, kept: bool) -> None:
        """Note that the request goes out; `kept`: the connection has served another before."""
        if not self._granted_ns:
            self.grant()
        if self._granted_ns and self._step < SENDING:
            if self._step == CONNECTING:
                self.connected()
            self._to(SENDING, _IN_PROXY)
            self.head_sent()
            self.kept = kept
            if kept:
                self._cells[_REUSED] += 1

    def sent(self) -> None:
        """Note that the request is out, its body too; the last call counts."""
        if self._step in (SENDING, SENT):
            self._to(SENT, _IN_SEND)

    def head_received(self) -> None:
        """Note that the first bytes of the response are there."""
        if not self._responded:  # a short answer is read, and its connection released, before it is noted
            self._responded = True
            if self.run:
                self._cells[_RUN_RESPONDED] += 1
        if self._step == SENT:
            self._unknown = ()
            self._to(HEAD, _IN_UPSTREAM)
        elif self._step < SENT:
            self.grant()
            self.connected()
            self.head_sent()
            knows_nothing = self._step == GRANTED
            self._unknown = _ALL_UNKNOWN if knows_nothing else _SEND_UNKNOWN
            self._to(HEAD, _IN_OTHER if knows_nothing else _IN_UPSTREAM)

    def answering(self, upstream_headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes | None:
        """Note that the response's head is passed on now. Returns the value of a Server-Timing; None without `on_end`.

        The wait for the first byte is one there: the upstream's own Server-Timing stands beside it. The two are told
        apart in `settle`. The upstream's headers are kept until then: nothing appended to them may be a metric of the
        same name.
        """
        self._to(BODY, _PHASE_OF_STEP[self._step])
        if self._on_end is None:
            return None
        if upstream_headers:
            self.upstream_headers = upstream_headers
        return server_timing(self.spent_ns)

    def body_done(self) -> None:
        """Note that the last byte was passed on."""
        if self._step == BODY:
            self._to(DONE, _IN_BODY)

    def released(self) -> None:
        """Note that the connection was given back, or that the request waits for none any more."""
        if not self._asked_ns:
            return
        if self._step == CONNECTING:
            self.connected()
        now = perf_counter_ns()
        cells = self._cells
        if self._granted_ns:
            cells[_ACTIVE] -= 1
            cells[_HOLD_COUNT] += 1
            cells[_HOLD_NS] += now - self._granted_ns
            del self._held[self]
            if self.carrier is not None:
                self.carrier.left(self)
                self.carrier = None
        else:  # it gave up, or its client left, before its turn came
            cells[_WAITING] -= 1
            self._counters.add(_WAIT, now - self._asked_ns)
        self._granted_ns = self._asked_ns = 0
        if self._step < BODY:
            # a response given back before its head is passed on was read whole by then
            self._to(DONE, _IN_BODY if self._step == HEAD else _PHASE_OF_STEP[self._step])

    def end_or_leak(self) -> None:
        """Note that nothing more happens but that a watched client may still give back the connection: then it ends."""
        if self._attached and self._granted_ns:
            self._leaked = True
            self._cells[_LEAKED] += 1
        else:
            self.end()

    def end(self) -> None:
        """Note that nothing more happens: give back what is held. Leaving the `with` does it."""
        if self._step == ENDED:
            return
        if self._asked_ns:
            self.released()
        self._to(ENDED, _PHASE_OF_STEP[self._step])
        if self._on_end is not None:
            self._on_end(self)

    def settle(self) -> None:
        """Work out what can wait until it is over: upstream and network told apart, what is unknown marked."""
        spent = self.spent_ns
        unknown = self._unknown + self._always_unknown
        waited_in, rest = (_IN_OTHER, _IN_OTHER) if _IN_UPSTREAM in unknown else (_IN_UPSTREAM, _IN_NETWORK)
        waited = spent[waited_in]
        reported = reported_ns(self.upstream_headers)
        if reported is not None:
            if waited_in == _IN_UPSTREAM and (early := min(sum(reported) - waited, spent[_IN_SEND])) > 0:
                # it had the whole request before the loop came back to whoever sent it
                spent[_IN_SEND] -= early
                waited += early
            queued = min(reported[0], waited)
            worked = min(reported[1], waited - queued)
            spent[waited_in] = 0
            spent[_IN_UPSTREAM_QUEUE], spent[_IN_UPSTREAM] = queued, worked
            spent[rest] += waited - queued - worked
        elif waited:
            unknown = (*unknown, Phase.UPSTREAM_QUEUE, Phase.NETWORK)
        for phase in unknown:
            if spent[phase] == 0:
                spent[phase] = UNKNOWN

    def _begin_retry(self) -> None:
        self.tries += 1
        self._head_sent = self._responded = False
        self._cells[_RETRIED] += 1
        if self.run:
            self._cells[_RUN_TRIES] += 1
            self._cells[_RUN_RETRIED] += 1

    def _ask(self, phase_before: int) -> None:
        cells = self._cells
        waiting = cells[_WAITING] + 1
        cells[_WAITING] = waiting
        if waiting > cells[_WAITING_MAX]:
            cells[_WAITING_MAX] = waiting
        self._asked_ns = self._to(ASKED, phase_before)

    def _to(self, step: int, phase: int) -> int:
        """Take the next step: the time since the last one belongs to a phase. Returns the time."""
        now = perf_counter_ns()
        self.spent_ns[phase] += now - self._since_ns
        self._since_ns = now
        self._step = step
        return now
