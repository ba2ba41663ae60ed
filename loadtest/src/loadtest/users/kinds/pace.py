"""A constant pace: a request every so often, as long as the answers are quicker than that."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadtest.users.kind import Behaviour, Client, Group, Kind
from service_kit.duration import parse_duration


@dataclass(frozen=True)
class Pace(Kind):
    """Each user begins a request every `every` seconds, or as soon as a slower answer is there.

    A turn that was missed is not made up for: with slow answers the rate falls.
    """

    example: ClassVar[str] = "pace(2s)"
    every: Annotated[float, parse_duration]

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:  # noqa: ARG002
        return lambda client: _PacedUser(client, self.every)


class _PacedUser(Behaviour):
    def __init__(self, client: Client, every_seconds: float) -> None:
        super().__init__(client)
        self._every_seconds = every_seconds
        self._began = time.perf_counter()

    def act(self) -> None:
        self._began = time.perf_counter()
        self.client.connection.send()

    def wait(self) -> float:
        return max(0.0, self._began + self._every_seconds - time.perf_counter())
