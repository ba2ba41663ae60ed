"""The clock of one request: a step at a time, each moment in exactly one phase, so the phases add up to the whole."""

from time import perf_counter_ns
from typing import Final

from proxy.phases import UNKNOWN, Phase

ARRIVED, ASKED, GRANTED, CONNECTING, CONNECTED, SECURING, SENDING, SENT, HEAD, BODY, DONE, ENDED = range(12)
_PHASES: Final = (
    Phase.ADMISSION,
    Phase.POOL_WAIT,
    Phase.OTHER,
    Phase.CONNECT,
    Phase.PROXY,
    Phase.TLS,
    Phase.SEND,
    Phase.UPSTREAM,
    Phase.PROXY,
    Phase.BODY,
    Phase.PROXY,
    Phase.PROXY,
)
PHASE_OF_STEP: Final = tuple(int(phase) for phase in _PHASES)  # looked up on every request: an enum's member is slow
SEND_UNTOLD: Final = (Phase.SEND,)
ALL_UNTOLD: Final = (Phase.CONNECT, Phase.TLS, Phase.SEND, Phase.UPSTREAM, Phase.NETWORK)
# plain numbers, as in `claim`: looking up a member of an enum costs more than what is done with it
_IN_UPSTREAM: Final = int(Phase.UPSTREAM)
_IN_NETWORK: Final = int(Phase.NETWORK)
_IN_OTHER: Final = int(Phase.OTHER)
_NO_TIME: Final = [0] * len(Phase)


class Clock:
    """Where the time of one request went so far. Durations are in nanoseconds, `began_ns` is by `perf_counter_ns`."""

    __slots__ = ("_since_ns", "_step", "_untold", "began_ns", "spent_ns")

    def __init__(self) -> None:
        self.spent_ns = _NO_TIME.copy()
        self._untold: tuple[Phase, ...] = ()
        self._step = ARRIVED
        self.began_ns = self._since_ns = perf_counter_ns()

    def securing(self) -> None:
        """Note that the TLS handshake begins; without it, it began with the end of connecting."""
        if self._step == CONNECTED:
            self._to(SECURING, Phase.PROXY)

    def secured(self) -> None:
        """Note that the TLS handshake ended."""
        if self._step in (CONNECTED, SECURING):
            self._to(CONNECTED, Phase.TLS)

    def sent(self) -> None:
        """Note that the request is out, its body too; the last call counts."""
        if self._step in (SENDING, SENT):
            self._to(SENT, Phase.SEND)

    def body_done(self) -> None:
        """Note that the last byte was handed on."""
        if self._step == BODY:
            self._to(DONE, Phase.BODY)

    def _to(self, step: int, phase: int) -> int:
        """Take the next step: the time since the last one belongs to a phase. Returns the time."""
        now = perf_counter_ns()
        self.spent_ns[phase] += now - self._since_ns
        self._since_ns = now
        self._step = step
        return now

    def split(self, reported: int | None) -> None:
        """Divide the wait for the first byte into what the upstream says it took, in ns, and the rest."""
        spent = self.spent_ns
        waited_in, rest = (_IN_OTHER, _IN_OTHER) if _IN_UPSTREAM in self._untold else (_IN_UPSTREAM, _IN_NETWORK)
        waited = spent[waited_in]
        if reported is not None:
            if reported > waited:
                reported = waited
            spent[waited_in] = 0
            spent[_IN_UPSTREAM] = reported
            spent[rest] += waited - reported
        elif waited:
            self._untold = (*self._untold, Phase.NETWORK)

    @property
    def total_ns(self) -> int:
        """From the beginning to the last step; of one that has ended, all its time."""
        return self._since_ns - self.began_ns

    def own_up(self) -> None:
        """Mark the phases that took no time as unknown where the client could not have told."""
        spent = self.spent_ns
        for phase in self._untold:
            if spent[phase] == 0:
                spent[phase] = UNKNOWN
