"""What a kind of user is: what its users do, one step after the other."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Connection(Protocol):
    """A connection to the host under load, which stays open from request to request."""

    def send(self, since: float | None = None) -> None:
        """Make one request, and count its outcome; `since`: when it was meant to begin, by time.perf_counter."""

    def close(self) -> None: ...


class Client(Protocol):
    """What a user has."""

    connection: Connection

    def connect(self) -> Connection:
        """Return a further connection."""

    def count(self, event: str, times: int = 1) -> None:
        """Count something in the row of this kind."""

    def spawn(self, work: Callable[[], None]) -> None:
        """Do it beside; the end of the run waits for it."""


class Behaviour(ABC):
    """One user's: `act`, then as many seconds as `wait` returns, over and over."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @abstractmethod
    def act(self) -> None: ...

    def wait(self) -> float:
        return 0.0

    def stop(self) -> None:  # noqa: B027 (most have nothing to do)
        """The user stops."""


@dataclass(frozen=True)
class Group:
    """The users of one kind in one run: how many there are in all, and in how many processes."""

    users: int
    processes: int


class Kind(ABC):
    """A kind of user. A subclass is a frozen dataclass; its fields are the arguments, `Annotated[type, reader]`."""

    example: ClassVar[str]
    exact_users: ClassVar[bool] = False
    """Whether a run with several kinds must have exactly its part of the users of this one."""

    @abstractmethod
    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:
        """Return what makes a user's behaviour; called once in each process and run."""
