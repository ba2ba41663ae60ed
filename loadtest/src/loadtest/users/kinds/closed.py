"""A closed load: a slower answer means fewer requests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from lab.user_kind import ClosedLoad
from loadtest.users.kind import Behaviour, Client, Group, Kind


@dataclass(frozen=True)
class Closed(ClosedLoad, Kind):
    """Each user sends its next request when it has its answer and has thought about it.

    Its connection stays open meanwhile: with long thinking it meets the keep-alive time-out of the server.
    """

    example: ClassVar[str] = "closed(think=1s)"

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:  # noqa: ARG002
        return lambda client: _ClosedUser(client, self.think)


class _ClosedUser(Behaviour):
    def __init__(self, client: Client, think_seconds: float) -> None:
        super().__init__(client)
        self._think_seconds = think_seconds

    def act(self) -> None:
        self.client.connection.send()

    def wait(self) -> float:
        return self._think_seconds
