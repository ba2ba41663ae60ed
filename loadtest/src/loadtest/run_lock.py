"""One run at a time: START is refused while a run from the command line is on, and the other way round."""

import time

from lab.wire.locust import RunLock

LEASE_SECONDS = 10.0
"""How long the lock is held without being renewed: its holder may have been killed."""

STARTING_SECONDS = 30.0
"""How long a run may take from START until it is recorded; one that failed in between blocks no other after it."""


class RunLocks:
    """Who makes runs: the UI's form, or a program that holds the lock."""

    def __init__(self) -> None:
        self._held: RunLock | None = None
        self._held_until = 0.0
        self._starting_until = 0.0

    @property
    def other_run(self) -> str:
        """The note of the run from the command line that is on, empty if none is."""
        held = self._held if time.monotonic() < self._held_until else None
        return "" if held is None else held.note or "another program"

    @property
    def is_starting(self) -> bool:
        """Whether the form was sent, and its run is not recorded yet."""
        return time.monotonic() < self._starting_until

    def take(self, lock: RunLock, *, ui_is_busy: bool) -> str | None:
        """Give or renew the lock; or return why not."""
        if self.other_run and self._held is not None and self._held.holder != lock.holder:
            return f"another run is on ({self.other_run})"
        if not self.other_run and (ui_is_busy or self.is_starting):
            return "a run is on in the Locust UI"
        self._held, self._held_until = lock, time.monotonic() + LEASE_SECONDS
        return None

    def release(self, lock: RunLock) -> None:
        if self._held is not None and self._held.holder == lock.holder:
            self._held = None

    def begin(self) -> str | None:
        """The form was sent: return why no run may begin, or count as starting until `started`."""
        if self.other_run:
            return f"a run from the command line is on ({self.other_run}); START again when it has ended"
        self._starting_until = time.monotonic() + STARTING_SECONDS
        return None

    def started(self) -> None:
        """The run is recorded, or was refused."""
        self._starting_until = 0.0
