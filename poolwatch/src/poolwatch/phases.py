"""The phases of a request in the proxy, and how they are told in a Server-Timing header. Pure.

Source of the header: W3C Server Timing, `name;dur=milliseconds`.
"""

import enum
import re
from collections.abc import Iterable, Sequence
from typing import Final


class Phase(enum.IntEnum):
    """Where a request's time went. Each moment between its arrival and its end belongs to exactly one of them."""

    ADMISSION = 0  # in the proxy's own queue
    THREAD_WAIT = enum.auto()  # for a thread of the `def` endpoints
    POOL_WAIT = enum.auto()  # for a connection of the pool
    CONNECT = enum.auto()  # name, TCP (and TLS with clients that tell the two as one)
    TLS = enum.auto()
    SEND = enum.auto()  # the request going out, a body as fast as its caller sends it
    UPSTREAM_QUEUE = enum.auto()  # what the upstream says it waited for one of its servers
    UPSTREAM = enum.auto()  # what else the upstream says it took; the whole wait for the first byte if it says nothing
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
