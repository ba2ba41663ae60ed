"""Whom an answer is for, and whether he is still there."""

from collections.abc import MutableMapping
from typing import Any

from upstream_mock.raw_connection import RawConnection
from upstream_mock.timers import Wait

CLIENT_KEY = "upstream_mock.caller"


class Client:
    """The client at the other end of a connection. One request of his runs at a time, so one wait at most is open.

    The connection says `leave()` when it is lost. That ends the wait at once, and saves a second task per request that
    would do nothing but listen for the disconnect.
    """

    __slots__ = ("_wait", "gone", "unserved", "wire")

    def __init__(self, wire: RawConnection | None = None) -> None:
        self.gone = False
        self.wire = wire  # his connection, for faults; None under a server that does not give it away
        self.unserved = False  # his request waits in line or was refused: so far it was not executed
        self._wait: Wait | None = None

    async def wait(self, wait: Wait) -> bool:
        """True when what was waited for came, False when the caller left before."""
        if self.gone:
            return False
        self._wait = wait
        try:
            return await wait
        finally:
            self._wait = None

    def leave(self) -> None:
        """The connection is lost."""
        self.gone = True
        if self._wait is not None and not self._wait.done():
            self._wait.set_result(False)


def client_of(scope: MutableMapping[str, Any]) -> Client:
    """The caller of a request; under a server that does not tell us, one who never leaves."""
    caller = scope.get(CLIENT_KEY)
    return caller if isinstance(caller, Client) else Client()
