"""The listening socket is not read for a while: what a process does whose loop is blocked, or that ran out of files."""

from dataclasses import dataclass

from upstream_mock.faults.runtime.fault import ListenerFault, count, seconds
from upstream_mock.pausable_listener import PausableListener

DEFAULT_SECONDS = 2.0


@dataclass(frozen=True)
class StopAccepting(ListenerFault):
    """Kept connections work; a new one is made by the kernel, and nobody answers on it.

    So connects succeed and requests time out; beyond the backlog SYNs are dropped, and connects time out too. `backlog`
    makes that come sooner: 1 lets two connections wait. With only `from` or `to` it needs no request: the door is shut
    at `from` and opened at `to`. Otherwise each request that is struck, and is served all the same, shuts it `for` 2 s.
    """

    for_: float | None = seconds(None)
    backlog: int | None = count(None, most=4096)

    def shut(self, door: PausableListener, seconds: float | None) -> None:
        """Shut it; it opens by itself."""
        door.shut(self.for_ or seconds or DEFAULT_SECONDS, self.backlog)
