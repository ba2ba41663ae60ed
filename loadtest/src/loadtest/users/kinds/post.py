"""POSTs and other uploads, each with an idempotency key: was one of them executed twice?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadtest.users.arguments import parse_bytes
from loadtest.users.kind import Behaviour, Client, Group, Kind, Outgoing
from service_kit.duration import parse_duration

METHODS = ("POST", "PUT", "PATCH", "DELETE")
PIECES = 20


def _method(text: str) -> str:
    if text not in METHODS:
        raise ValueError(f"{text!r} is none of {', '.join(METHODS)}")
    return text


@dataclass(frozen=True)
class Post(Kind):
    """Each user sends a body of so many bytes, and the next one when it has its answer.

    `during`: the body is sent in pieces (chunked) over so many seconds, else at once with its length.
    """

    example: ClassVar[str] = "post(10kB, during=2s)"
    size: Annotated[int, parse_bytes] = 1000
    during: Annotated[float, parse_duration] = 0.0
    method: Annotated[str, _method] = "POST"
    think: Annotated[float, parse_duration] = 0.0

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:  # noqa: ARG002
        return lambda client: _PostingUser(client, self)


class _PostingUser(Behaviour):
    def __init__(self, client: Client, kind: Post) -> None:
        super().__init__(client)
        self._kind = kind

    def act(self) -> None:
        kind = self._kind
        body = self._pieces() if kind.during else bytes(kind.size)
        headers = {"idempotency-key": self.client.key(), "content-type": "application/octet-stream"}
        self.client.connection.send(Outgoing(kind.method, headers, body))

    def wait(self) -> float:
        return self._kind.think

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body, the last piece at the end of the time."""
        whole, extra = divmod(self._kind.size, PIECES)
        for number in range(PIECES):
            self.client.sleep(self._kind.during / PIECES)
            yield bytes(whole + (number < extra))
