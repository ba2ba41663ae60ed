"""What a kind of user is: what its users do, one step after the other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol


class Body(Protocol):
    """The body of an answer, as it comes. Reading raises what breaks it."""

    def read(self, most: int) -> bytes:
        """Return the next bytes, none at the end."""

    def leave(self) -> None:
        """Close the connection, whatever is still to come."""


@dataclass(frozen=True)
class Outgoing:
    """A request other than a plain GET. `receive` reads the body; None: all of it at once."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] | None = None
    receive: Callable[[Body], None] | None = None


class Connection(Protocol):
    """A connection to the host under load, which stays open from request to request."""

    def send(self, outgoing: Outgoing = ..., since: float | None = None) -> None:
        """Make one request, and count its outcome; `since`: when it was meant to begin, by time.perf_counter."""

    def close(self) -> None: ...


class Client(Protocol):
    """What a user has."""

    connection: Connection

    def connect(self, patience_seconds: float | None = None, *, resets: bool = False) -> Connection:
        """Return a further connection. It leaves a request whose answer does not begin within its patience.

        It ends by RST if it `resets`, else by FIN.
        """

    def sleep(self, seconds: float) -> None: ...

    def key(self) -> str:
        """Return an idempotency key that no other request has."""

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
