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
_NO_TIME: Final = [0] * len(Phase)


class Clock:
    """Where the time of one request went so far. Durations are in nanoseconds."""

    __slots__ = ("_began_ns", "_since_ns", "_step", "_untold", "spent_ns")

    def __init__(self) -> None:
        self.spent_ns = _NO_TIME.copy()
        self._untold: tuple[Phase, ...] = ()
        self._step = ARRIVED
        self._began_ns = self._since_ns = perf_counter_ns()

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

    def _split(self, reported: int | None) -> None:
        """Divide the wait for the first byte into what the upstream says it took, and the rest."""
        spent = self.spent_ns
        waited_in, rest = Phase.UPSTREAM, Phase.NETWORK
        if Phase.UPSTREAM in self._untold:
            waited_in = rest = Phase.OTHER
        waited = spent[waited_in]
        if reported is not None:
            spent[waited_in] = 0
            spent[Phase.UPSTREAM] = min(reported, waited)
            spent[rest] += waited - min(reported, waited)
        elif waited:
            self._untold = (*self._untold, Phase.NETWORK)

    def _own_up(self, untold_ever: tuple[Phase, ...]) -> None:
        """Mark the phases that took no time as unknown where the client could not have told."""
        for phase in (*self._untold, *untold_ever):
            if self.spent_ns[phase] == 0:
                self.spent_ns[phase] = UNKNOWN
