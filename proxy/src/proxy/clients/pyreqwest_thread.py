"""The thread in which pyreqwest's runtime works: how it shares a processor with the event loop.

When bytes come in, the kernel lets this thread interrupt the loop's, only to wait there for the interpreter's lock,
which the loop holds: two switches for each request and an eighth of its time, where both share a core. A thread of the
kind SCHED_BATCH (sched(7)) interrupts nobody: it takes its turn when the loop waits, and finds more to do at once. On
cores of their own it makes no difference.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = "pyreqwest"
_THREADS: Final = Path("/proc/self/task")


def let_the_loop_finish() -> int:
    """Make the library's threads of this process batch work. Returns how many there are; 0 where none can be told."""
    found = 0
    for thread in _THREADS.glob("*"):
        with suppress(OSError, AttributeError):  # it has ended, the kernel does not let us, or this is not Linux
            if (thread / "comm").read_text().strip() == _NAME:
                os.sched_setscheduler(int(thread.name), os.SCHED_BATCH, os.sched_param(0))
                found += 1
    return found
