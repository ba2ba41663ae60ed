"""What makes the proxy faster than it is in everybody's app, all of it: fixed when the process starts, or off.

It belongs to `PROXY_CLIENT=httpcore`, and to other clients only with `PROXY_TUNING=on`. `/-/config` lists what is on,
and with it every run. The shared epoll itself is in `proxy.clients.tuned_backend`, the held heads in
`proxy.forward.holding_transport`.
"""

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final, cast

from proxy.settings import Settings

GARBAGE_AFTER_OBJECTS: Final = 10_000
_POOLED_BY_HTTPCORE: Final = ("httpx", "httpx2", "httpcore")
_PYREQWEST_THREAD: Final = "pyreqwest"
_THREADS: Final = Path("/proc/self/task")


def in_force(settings: Settings) -> list[str]:
    """Return a sentence for each thing that is tuned; none is the state of everybody's app."""
    if not settings.tuned:
        return []
    sentences = [
        f"garbage collection: each {GARBAGE_AFTER_OBJECTS} objects, later than by default, without those of the start",
        "held heads: an answer's head and the first piece of its body leave in one packet",
    ]
    if settings.client in _POOLED_BY_HTTPCORE:
        sentences.append(
            "shared epoll: idle connections are asked together whether they were closed, once a millisecond"
        )
        sentences.append("early answers: an upload ends when the upstream has refused it")
        if settings.sniffio == "absent":
            sentences.append("imports: sniffio is marked as missing once, instead of searched for in every request")
    if settings.client == "pyreqwest":
        sentences.append("thread scheduling: pyreqwest's thread is batch work and does not interrupt the event loop")
    return sentences


def tune_process(settings: Settings) -> None:
    """Tune this process, if it is to be, before its first request and after everything is imported."""
    if not settings.tuned:
        return
    # What is there by now stays for good: looking through it for garbage again and again costs a fast client's
    # requests an eighth of their time. What comes is mostly requests in flight: to look through them each 700 objects,
    # as Python 3.11 does, costs 46 us of httpcore's 650 and 7 of pyreqwest's 134. Cycles that hold a request's last
    # pieces are freed later for it: after 4,000 cut bodies 3 to 27 MB more.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, *gc.get_threshold()[1:])
    if settings.client in _POOLED_BY_HTTPCORE and settings.sniffio == "absent":
        # httpcore 1.0 tries to import sniffio for every lock it makes, several times a request, and a failing import
        # searches the whole path each time; importing what is None fails at once
        sys.modules.setdefault("sniffio", cast("ModuleType", None))


def make_pyreqwest_threads_batch_work() -> int:
    """Give the library's threads the scheduling policy SCHED_BATCH (sched(7)); return how many there are.

    When bytes come in, the kernel lets such a thread interrupt the loop's, only to wait there for the interpreter's
    lock, which the loop holds: two switches for each request and an eighth of its time, where both share a core. Batch
    work interrupts nothing: it takes its turn when the loop waits, and finds more to do at once. On cores of their own
    it makes no difference. 0 where the threads can't be identified.
    """
    found = 0
    for thread in _THREADS.glob("*"):
        with suppress(OSError, AttributeError):  # it has ended, the kernel does not allow it, or this is not Linux
            if (thread / "comm").read_text().strip() == _PYREQWEST_THREAD:
                os.sched_setscheduler(int(thread.name), os.SCHED_BATCH, os.sched_param(0))
                found += 1
    return found
