"""The client of a request, whether it is still connected, and its connection beneath HTTP."""

from collections.abc import MutableMapping
from typing import Any, Protocol

from service_kit.timer_queue import Wait

CLIENT_KEY = "upstream_mock.client"


class RawConnection(Protocol):
    """A connection to the data port beneath HTTP, for faults. After the end of the running request nothing is done."""

    @property
    def carried(self) -> int:
        """How many requests it has carried, the running one included."""

    @property
    def body_due(self) -> bool:
        """Whether more of the request is on its way; not so while the client waits for a 100 before it sends it."""

    @property
    def unsent(self) -> int:
        """Bytes that the client's machine has not acknowledged, as far as the system reports it."""

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; waits for a slow reader."""

    def answered(self, *, close: bool) -> None:
        """The answer that was written is all of it: the request is completed. With `close`, FIN follows."""

    def answered_early(self) -> None:
        """As `answered`, with the request unread: FIN, and whatever comes from now on is thrown away."""

    def cut(self, *, reset: bool) -> None:
        """End the connection in place of an answer or in the middle of it: RST, or FIN after what was written."""

    def close(self) -> None:
        """Close what is left of it."""


class Client:
    """The other end of a connection, or of an HTTP/2 stream. One request of it runs at a time, so it has one wait.

    The protocol calls `leave()` when the connection is lost. That ends the wait at once, and saves a second task per
    request that would do nothing but listen for the disconnect.
    """

    __slots__ = ("_wait", "connection", "gone", "unserved")

    def __init__(self, connection: RawConnection | None = None) -> None:
        self.gone = False
        self.connection = connection  # for faults; None over HTTP/2 and under another server
        self.unserved = False  # its request waits for a server or was refused: so far it was not executed
        self._wait: Wait | None = None

    async def wait(self, wait: Wait) -> bool:
        """True when the wait is over, False when the client left before."""
        if self.gone:
            return False
        self._wait = wait
        try:
            return await wait
        finally:
            self._wait = None

    def leave(self) -> None:
        self.gone = True
        if self._wait is not None and not self._wait.done():
            self._wait.set_result(False)


def client_of(scope: MutableMapping[str, Any]) -> Client:
    """Return a request's client; where the server sets none, a client that never leaves."""
    client = scope.get(CLIENT_KEY)
    return client if isinstance(client, Client) else Client()
