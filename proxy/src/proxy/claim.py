"""One request's claim on the pool: it waits, holds a connection, gives it back. Told to the cells as it happens."""

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from proxy.clock import (
    ALL_UNTOLD,
    ARRIVED,
    ASKED,
    BODY,
    CONNECTED,
    CONNECTING,
    DONE,
    GRANTED,
    HEAD,
    PHASE_OF_STEP,
    SEND_UNTOLD,
    SENDING,
    SENT,
    Clock,
)
from proxy.counters import Cell
from proxy.phases import Phase

if TYPE_CHECKING:
    from proxy.watch import PoolWatch

# plain numbers: looking up a member of an enum costs more than what is done with it, on every request
_ACTIVE: Final = int(Cell.ACTIVE)
_CONNECTING: Final = int(Cell.CONNECTING)
_HOLD_COUNT: Final = int(Cell.HOLD_COUNT)
_HOLD_NS: Final = int(Cell.HOLD_NS)
_REUSED: Final = int(Cell.REUSED)
_RUN_ACTIVE_MAX: Final = int(Cell.RUN_ACTIVE_MAX)
_RUN_WAITING_MAX: Final = int(Cell.RUN_WAITING_MAX)
_WAITING: Final = int(Cell.WAITING)
_IN_ADMISSION: Final = int(Phase.ADMISSION)
_IN_BODY: Final = int(Phase.BODY)
_IN_CONNECT: Final = int(Phase.CONNECT)
_IN_OTHER: Final = int(Phase.OTHER)
_IN_POOL_WAIT: Final = int(Phase.POOL_WAIT)
_IN_PROXY: Final = int(Phase.PROXY)
_IN_UPSTREAM: Final = int(Phase.UPSTREAM)


class Claim(Clock):
    """What an exchange has of the pool, and the clock of it.

    `kept`: the connection had served another request before. `granted`: a connection is held at this moment.
    """

    __slots__ = ("_asked_ns", "_cells", "_granted_ns", "_watch", "kept")

    def __init__(self, watch: "PoolWatch") -> None:
        super().__init__()
        self._watch = watch
        self._cells = watch.cells
        self._granted_ns = 0
        self._asked_ns = 0
        self.kept = False

    @property
    def granted(self) -> bool:
        """Say whether it holds a connection (or a slot of the gate) now."""
        return self._granted_ns != 0

    @property
    def held_seconds(self) -> float:
        """How long it has held its connection."""
        return (perf_counter_ns() - self._granted_ns) / 1e9 if self._granted_ns else 0.0

    @property
    def received(self) -> bool:
        """Say whether bytes of an answer have come, on this try."""
        return self._step in (HEAD, BODY)

    def admitted(self) -> None:
        """Note that the proxy works on it now: from here on it waits for a connection."""
        if self._step == ARRIVED:
            self._ask(_IN_ADMISSION)

    def asking(self) -> None:
        """Note that the client asks its pool now, and what was since `admitted` was the proxy's own time."""
        if self._step == ASKED:
            self._asked_ns = self._to(ASKED, _IN_PROXY)
        else:
            self.admitted()

    def retrying(self) -> None:
        """Note that a try failed and another one begins: the connection is given up, the wait begins anew."""
        if self._step < BODY:
            self.released()
            self.kept = False
            self._ask(_IN_PROXY)

    def grant(self) -> None:
        """Note that its turn came: it holds a slot. `connecting` and `writing` say so too."""
        if self._step == ARRIVED:
            self.admitted()
        if self._asked_ns and not self._granted_ns:  # a library may go on for a request that was given up
            now = self._granted_ns = self._to(GRANTED, _IN_POOL_WAIT)
            cells = self._cells
            cells[_WAITING] -= 1
            active = cells[_ACTIVE] + 1
            cells[_ACTIVE] = active
            if active > cells[_RUN_ACTIVE_MAX]:
                cells[_RUN_ACTIVE_MAX] = active
            self._watch.counters.add_wait(now - self._asked_ns)
            self._watch.held[self] = None

    def connecting(self) -> None:
        """Note that a connection is being opened for this request."""
        self.grant()
        step = self._step
        if self._granted_ns and step < HEAD and step != CONNECTING:
            self._to(CONNECTING, _IN_PROXY if step == GRANTED else PHASE_OF_STEP[step])
            self._cells[_CONNECTING] += 1

    def connected(self) -> None:
        """Note that opening the connection ended, well or not."""
        if self._step == CONNECTING:
            self._to(CONNECTED, _IN_CONNECT)
            self._cells[_CONNECTING] -= 1

    def writing(self, kept: bool) -> None:
        """Note that the request goes out; `kept` says that the connection has served another before."""
        if not self._granted_ns:
            self.grant()
        if self._granted_ns and self._step < SENDING:
            self.connected()
            self._to(SENDING, _IN_PROXY)
            self.kept = kept
            if kept:
                self._cells[_REUSED] += 1

    def head_received(self) -> None:
        """Note that the first bytes of the answer are there."""
        if self._step == SENT:
            self._untold = ()
            self._to(HEAD, _IN_UPSTREAM)
        elif self._step < SENT:
            self.grant()
            self.connected()
            told_nothing = self._step == GRANTED
            self._untold = ALL_UNTOLD if told_nothing else SEND_UNTOLD
            self._to(HEAD, _IN_OTHER if told_nothing else _IN_UPSTREAM)

    def released(self) -> None:
        """Note that the connection was given back, or that it waits for none any more; the end says so too."""
        if not self._asked_ns and self._step >= BODY:
            return
        self.connected()
        now = perf_counter_ns()
        cells = self._cells
        if self._granted_ns:
            cells[_ACTIVE] -= 1
            cells[_HOLD_COUNT] += 1
            cells[_HOLD_NS] += now - self._granted_ns
            del self._watch.held[self]
        elif self._asked_ns:  # it gave up, or its caller left, before its turn came
            cells[_WAITING] -= 1
            self._watch.counters.add_wait(now - self._asked_ns)
        self._granted_ns = self._asked_ns = 0
        if self._step < BODY:
            # an answer given back before its head goes on was read whole by then
            self._to(DONE, _IN_BODY if self._step == HEAD else PHASE_OF_STEP[self._step])

    def _ask(self, phase_before: int) -> None:
        cells = self._cells
        waiting = cells[_WAITING] + 1
        cells[_WAITING] = waiting
        if waiting > cells[_RUN_WAITING_MAX]:
            cells[_RUN_WAITING_MAX] = waiting
        self._asked_ns = self._to(ASKED, phase_before)
