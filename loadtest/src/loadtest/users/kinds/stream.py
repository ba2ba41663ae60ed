"""Readers of a body as it comes, perhaps slowly."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadtest.users.arguments import parse_byte_rate
from loadtest.users.kind import Behaviour, Body, Client, Group, Kind, Outgoing

BLOCK_BYTES = 16_384
BLOCKS_PER_SECOND = 20


@dataclass(frozen=True)
class Stream(Kind):
    """Each user reads the body at `read` at most: a slow reader. The response time is that of the whole body.

    When its first byte was there is beside it, `first_byte_ms` in the run.
    """

    example: ClassVar[str] = "stream(read=100kB/s)"
    read: Annotated[int, parse_byte_rate] = 1_000_000_000

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:  # noqa: ARG002
        return lambda client: _ReadingUser(client, self.read)


class _ReadingUser(Behaviour):
    def __init__(self, client: Client, bytes_per_second: int) -> None:
        super().__init__(client)
        self._bytes_per_second = bytes_per_second

    def act(self) -> None:
        self.client.connection.send(Outgoing(receive=self._receive))

    def _receive(self, body: Body) -> None:
        began, received = time.perf_counter(), 0
        most = min(BLOCK_BYTES, max(1, self._bytes_per_second // BLOCKS_PER_SECOND))
        while data := body.read(most):
            received += len(data)
            early = began + received / self._bytes_per_second - time.perf_counter()
            if early > 0:
                self.client.sleep(early)
