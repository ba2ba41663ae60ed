"""Users that lose patience, and close the connection before they have their answer."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadtest.users.arguments import parse_share
from loadtest.users.kind import Behaviour, Body, Client, Group, Kind, Outgoing
from service_kit.duration import parse_duration

BLOCK_BYTES = 1024


def _where(text: str) -> str:
    if text not in ("head", "body"):
        raise ValueError(f"{text!r} is neither head nor body")
    return text


def _how(text: str) -> str:
    if text not in ("fin", "rst"):
        raise ValueError(f"{text!r} is neither fin nor rst")
    return text


@dataclass(frozen=True)
class Leave(Kind):
    """A share of the requests is left: `after` so long without a head, or within the body, after its first bytes.

    A request that was left is counted, and has no response time. The others are as in a closed load.
    """

    example: ClassVar[str] = "leave(after=200ms, share=0.5, before=head, close=fin)"
    after: Annotated[float, parse_duration] = 0.2
    share: Annotated[float, parse_share] = 1.0
    before: Annotated[str, _where] = "head"
    close: Annotated[str, _how] = "fin"

    def __post_init__(self) -> None:
        if self.after <= 0:
            raise ValueError("a user that leaves at once sends no request: after=0")

    def behaviours(self, group: Group) -> Callable[[Client], Behaviour]:  # noqa: ARG002
        return lambda client: _LeavingUser(client, self)


class _LeavingUser(Behaviour):
    def __init__(self, client: Client, kind: Leave) -> None:
        super().__init__(client)
        self._kind = kind
        patience = kind.after if kind.before == "head" else None
        self._impatient = client.connect(patience, resets=kind.close == "rst")

    def act(self) -> None:
        if random.random() >= self._kind.share:
            self.client.connection.send()
        elif self._kind.before == "head":
            self._impatient.send()
        else:
            self._impatient.send(Outgoing(receive=self._receive))

    def _receive(self, body: Body) -> None:
        if body.read(BLOCK_BYTES):
            self.client.sleep(self._kind.after)
        body.leave()
