"""The phases of a request, the time that each of them took, and how a Server-Timing header reports them.

Source of the header: W3C Server Timing, `name;dur=milliseconds`.
"""

import enum
import re
from collections.abc import Iterable, Sequence
from time import perf_counter_ns
from typing import Final


class Phase(enum.IntEnum):
    """Where a request's time went. Each moment between its arrival and its end belongs to exactly one of them."""

    ADMISSION = 0  # in the proxy's own queue
    THREAD_WAIT = enum.auto()  # for a thread of the `def` endpoints
    POOL_WAIT = enum.auto()  # for a connection of the pool
    CONNECT = enum.auto()  # name, TCP (and TLS with clients that tell the two as one)
    TLS = enum.auto()
    SEND = enum.auto()  # the request going out, a body as fast as its caller sends it
    UPSTREAM_QUEUE = enum.auto()  # the wait for one of the upstream's servers, as it reports it
    UPSTREAM = enum.auto()  # what else the upstream reports; the whole wait for the first byte if it reports nothing
    NETWORK = enum.auto()  # the rest of that wait
    BODY = enum.auto()  # from the head to the last byte handed on
    PROXY = enum.auto()  # the proxy's and the client library's own code: before, between and after
    OTHER = enum.auto()  # what the client cannot tell apart


NAMES: Final = tuple(phase.name.lower() for phase in Phase)
UNKNOWN: Final = -1
"""In place of nanoseconds: the client cannot tell."""

_METRICS: Final = tuple(phase.name.lower().encode() + b";dur=%.3f" for phase in Phase)


def _row(*phases: Phase) -> bytes:
    return b", ".join([_METRICS[phase] for phase in phases])


_KEPT: Final = _row(Phase.ADMISSION, Phase.POOL_WAIT, Phase.SEND, Phase.UPSTREAM, Phase.PROXY)
_KEPT_UNKNOWN: Final = _row(Phase.ADMISSION, Phase.POOL_WAIT, Phase.PROXY, Phase.OTHER)
"""The phases of most requests: those on a kept connection, by a client that tells when it sends and by one that does
not. Written in one go they take half the time of one by one, on every request that is answered."""

_USUAL: Final = re.compile(rb"queue;dur=([0-9]+\.[0-9]+), work;dur=([0-9]+\.[0-9]+), late;dur=([0-9]+\.[0-9]+)")
"""As the mock writes it; three times as quick as looking for each."""

_REPORTED: Final = re.compile(rb"(?:^|,)\s*(queue|work|late)\s*;\s*dur=([0-9]+(?:\.[0-9]+)?)")


def reported_ns(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, int] | None:
    """Return what the upstream's Server-Timing reports: queue, and work + late; None if it has none of the three."""
    for name, value in headers:
        if len(name) == 13 and name.lower() == b"server-timing":
            if usual := _USUAL.fullmatch(value):
                queue, work, late = usual.groups()
                return round(float(queue) * 1e6), round((float(work) + float(late)) * 1e6)
            if parts := _REPORTED.findall(value):
                queued = sum(float(ms) for name, ms in parts if name == b"queue")
                return round(queued * 1e6), round((sum(float(ms) for _, ms in parts) - queued) * 1e6)
    return None


def server_timing(spent_ns: Sequence[int]) -> bytes:
    """Return the value of a Server-Timing header: the phases that took time so far, in ms with 3 decimals.

    On a kept connection all those that it has are there, though one may have taken none.
    """
    admission, threads, pool_wait, connect, tls, send, queue, upstream, network, body, proxy, other = spent_ns
    if not (connect or tls or threads or queue or network or body):
        if not other:
            return _KEPT % (admission / 1e6, pool_wait / 1e6, send / 1e6, upstream / 1e6, proxy / 1e6)
        if not (send or upstream):
            return _KEPT_UNKNOWN % (admission / 1e6, pool_wait / 1e6, proxy / 1e6, other / 1e6)
    return b", ".join([metric % (spent / 1e6) for metric, spent in zip(_METRICS, spent_ns, strict=True) if spent > 0])


_IN_OTHER: Final = int(Phase.OTHER)
_IN_NETWORK: Final = int(Phase.NETWORK)
_IN_SEND: Final = int(Phase.SEND)
_IN_UPSTREAM: Final = int(Phase.UPSTREAM)
_IN_UPSTREAM_QUEUE: Final = int(Phase.UPSTREAM_QUEUE)
_NO_TIME: Final = [0] * len(Phase)


class PhaseTimer:
    """Where one request's time goes, step by step: each moment from its beginning to the last step is in one phase.

    `step`: the last step taken, a number of the one that keeps the timer. `began_ns` and `since_ns` are times of
    `perf_counter_ns`: the beginning and the last step. `spent_ns`: by phase. `unknown`: phases to mark as unknown at
    the end if they took no time. `upstream_headers`: of the response, for what the upstream reports of itself.
    `total_ns`: set by `settle`.
    """

    __slots__ = ("began_ns", "since_ns", "spent_ns", "step", "total_ns", "unknown", "upstream_headers")

    def __init__(self, unknown: tuple[Phase, ...] = ()) -> None:
        self.unknown = unknown
        self.upstream_headers: Sequence[tuple[bytes, bytes]] = ()
        self.spent_ns = _NO_TIME.copy()
        self.step = self.total_ns = 0
        self.began_ns = self.since_ns = perf_counter_ns()

    def take(self, step: int, phase: int) -> int:
        """Take the next step: the time since the last one belongs to a phase. Returns the time of the step."""
        now = perf_counter_ns()
        self.spent_ns[phase] += now - self.since_ns
        self.since_ns = now
        self.step = step
        return now

    def settle(self) -> None:
        """Work out what can wait until the request is over: upstream and network apart, unknown phases marked."""
        self.total_ns = self.since_ns - self.began_ns
        spent, unknown = self.spent_ns, self.unknown
        waited_in, rest = (_IN_OTHER, _IN_OTHER) if _IN_UPSTREAM in unknown else (_IN_UPSTREAM, _IN_NETWORK)
        waited = spent[waited_in]
        reported = reported_ns(self.upstream_headers)
        if reported is not None:
            if waited_in == _IN_UPSTREAM and (early := min(sum(reported) - waited, spent[_IN_SEND])) > 0:
                # it had the whole request before the loop came back to the code that sent it
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
