"""The threads that `def` endpoints run in: anyio's default limiter, 40 tokens unless PROXY_THREAD_TOKENS is set.

A request that waits for a token has no thread and asks for no connection yet: its wait is a phase of its own.
"""

from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter

from poolwatch import steps
from poolwatch.trace import RequestTrace, current


def limit_threads(total: int) -> None:
    """Set how many threads of the running loop may work at a time; further calls wait for a token."""
    limiter = current_default_thread_limiter()
    limiter.total_tokens = total
    _watch(limiter)


def thread_tokens() -> dict[str, int]:
    """Return the tokens there are, those borrowed and the calls that wait for one. To be called in the loop."""
    statistics = current_default_thread_limiter().statistics()
    return {
        "total": int(statistics.total_tokens),
        "borrowed": statistics.borrowed_tokens,
        "waiting": statistics.tasks_waiting,
    }


def _watch(limiter: CapacityLimiter) -> None:
    """Report each wait for a token to the trace of the task that waits.

    anyio has no hook, and its limiter takes no attributes: it is given a subclass that adds none.
    """
    kind: Any = type(limiter)
    if "watched" in kind.__dict__:
        return

    async def acquire_on_behalf_of(self: Any, borrower: object) -> None:
        trace = current.get()
        if trace is None:
            await kind.acquire_on_behalf_of(self, borrower)
            return
        _await_thread(trace)
        await kind.acquire_on_behalf_of(self, borrower)
        _enter_thread(trace)

    members = {"__slots__": (), "watched": True, "acquire_on_behalf_of": acquire_on_behalf_of}
    limiter.__class__ = type("WatchedLimiter", (kind,), members)


def _await_thread(trace: RequestTrace) -> None:
    """Note that the request waits for a thread now, and not for a connection."""
    if trace.times.step == steps.ASKED and trace.slot.asked_ns:
        trace.slot.withdraw()
        trace.times.take(steps.THREADING, steps.IN_PROXY)


def _enter_thread(trace: RequestTrace) -> None:
    """Note that the request has its thread: from here on it waits for a connection."""
    if trace.times.step == steps.THREADING:
        trace.slot.ask(trace.times.take(steps.ASKED, steps.IN_THREAD_WAIT))
