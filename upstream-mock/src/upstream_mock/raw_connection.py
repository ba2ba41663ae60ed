"""A connection beneath HTTP, as those see it who have to send what no HTTP server would."""

from typing import Protocol


class RawConnection(Protocol):
    """One connection to the data port. All is done to the request that runs on it; after its end nothing is."""

    @property
    def carried(self) -> int:
        """How many requests it has carried, the running one included."""

    @property
    def body_due(self) -> bool:
        """Whether more of the request is on its way; not so if the caller waits for a 100 before he sends it."""

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; waits for a slow reader."""

    @property
    def unsent(self) -> int:
        """Bytes that the caller's machine has not taken yet, as far as the system tells."""

    def answered(self, *, close: bool) -> None:
        """The answer that was written is all of it: the request is completed. With `close`, FIN follows."""

    def cut(self, *, reset: bool) -> None:
        """End the connection in place of an answer or in the middle of it: RST, or FIN after what was written."""

    def answered_early(self) -> None:
        """As `answered`, with the request unread: FIN, and whatever comes from now on is thrown away."""

    def close(self) -> None:
        """Close what is left of it."""
