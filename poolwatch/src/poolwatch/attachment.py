"""A watched client that reports to a trace which another part of the app made; one trace may have several calls."""

from typing import Final

from poolwatch.counters import Cell
from poolwatch.steps import BODY, DONE, ENDED
from poolwatch.trace import RequestTrace

_LEAKED: Final = int(Cell.LEAKED)


def attach(trace: RequestTrace) -> bool:
    """Let a watched client report to a trace. False if it has a connection, or is answered or over."""
    if trace.attached or trace.granted or trace.times.step in (BODY, ENDED):
        return False
    trace.attached = True
    return True


def ask_again(trace: RequestTrace) -> None:
    """Note that one more call begins: after another one it waits for a connection anew."""
    if trace.times.step == DONE:
        trace.retrying()


def detach(trace: RequestTrace, *, failed: bool = False) -> None:
    """Note that the watched client is done. After a failure the maker of the trace may try again."""
    trace.attached = False
    if trace.leaked:
        trace.leaked = False
        trace.cells[_LEAKED] -= 1
        trace.end()
    elif not failed:
        trace.released()


def end_or_leak(trace: RequestTrace) -> None:
    """End a trace; one that holds a connection which its client may still give back counts as leaked until then."""
    if trace.attached and trace.granted:
        trace.leaked = True
        trace.cells[_LEAKED] += 1
    else:
        trace.end()
