"""The supervisor's end of the guardian, and what a child does by itself when its parent dies."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab.backends import guardian

_PR_SET_PDEATHSIG = 1


class Ward:
    """Process groups that must not outlive this process, however it ends."""

    def __init__(self) -> None:
        # -I -S: no site-packages, no environment: it starts in some 10 ms and needs nothing.
        command = [sys.executable, "-I", "-S", str(Path(guardian.__file__))]
        self._guardian = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, text=True
        )

    def add(self, group: int) -> None:
        """End this group when the supervisor is gone."""
        self._tell(f"+{group}")

    def discard(self, group: int) -> None:
        """Forget a group that has ended."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """Dismiss the guardian; it ends what is left."""
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        self._guardian.wait()

    def _tell(self, line: str) -> None:
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.write(line + "\n")
            self._guardian.stdin.flush()
        except BrokenPipeError:
            # Somebody killed the guardian. PR_SET_PDEATHSIG is left.
            return


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child must call before exec so that the kernel ends it when this process dies (Linux only).

    The guardian does the same for its children; this closes the moment before the guardian knows the child.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return in_child
