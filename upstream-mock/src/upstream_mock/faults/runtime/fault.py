"""What a fault is: a class whose fields are the parameters a rule may give, and a coroutine `apply`."""

from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar

from service_kit.duration import parse_duration
from upstream_mock.asgi import Scope
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.pausable_listener import PausableListener

MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Fault(ABC):
    """One fault. A field made with `seconds` or `count` is a parameter; a trailing underscore is not in its name."""

    numbers: ClassVar[range | None] = None
    """With a range, the name ends in one of its numbers, which is the field `number`: STATUS_503."""

    def applies_to(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 for those who override it
        """Whether this request, the `carried`-th of its connection, can have it; a rule does not count the others."""
        return True

    @abstractmethod
    async def apply(self, request: FaultedRequest) -> None:
        """Do it, in place of the answer or around it. Returns when the request is over or its client gone."""


class RawAnswer(Fault):
    """Sends the bytes `answer` at once, then FIN unless `close` is off. The request counts as completed."""

    answer: ClassVar[bytes]
    close: ClassVar[bool] = True

    async def apply(self, request: FaultedRequest) -> None:
        await request.write(self.answer)
        await request.finish(close=self.close)


class ListenerFault(Fault):
    """A fault of the listening socket. The request that sets it off is answered all the same."""

    @abstractmethod
    def pause(self, listener: PausableListener, seconds: float | None) -> None:
        """Pause it; `seconds` is what is left of the rule's window, None if it has none."""

    async def apply(self, request: FaultedRequest) -> None:
        await request.answer()


def seconds(default: float | None) -> Any:
    """A parameter that is a duration, up to an hour: `delay=30s`."""
    return field(default=default, metadata={"parse": parse_duration})


def count(default: int | None, *, least: int = 0, most: int = MOST_BYTES) -> Any:
    """A parameter that is a whole number: `after=1000`."""

    def parse(text: str) -> int:
        return whole(text, least, most)

    return field(default=default, metadata={"parse": parse})


def parameters(fault: type[Fault]) -> dict[str, Field[Any]]:
    """The parameters of a fault by the name they have in a rule."""
    return {each.name.rstrip("_"): each for each in fields(fault) if "parse" in each.metadata}


def whole(text: str, least: int, most: int) -> int:
    """ValueError, in words for the user, if `text` is no whole number within these bounds."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
    return int(text)
