"""How the number of users changes in the course of a run, as LAB_SHAPE has it. Pure."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from service_kit.call_text import parse_call
from service_kit.duration import parse_duration

MOST_STEPS = 1000
MOST_TIMES = 100.0


def _steps(text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= MOST_STEPS:
        raise ValueError(f"{text!r} is not a number of steps from 2 to {MOST_STEPS}")
    return int(text)


def _times(text: str) -> float:
    try:
        times = float(text)
    except ValueError:
        times = 0.0
    if not 0 < times <= MOST_TIMES:
        raise ValueError(f"{text!r} is not how many times the users there are, a number up to {MOST_TIMES:g}")
    return times


def _seconds(text: str) -> float:
    """Return a time of which Locust, which looks at a shape once a second, can follow the parts."""
    if (seconds := parse_duration(text)) < 1:
        raise ValueError(f"{text!r} is less than 1s")
    return seconds


class Shape(ABC):
    """A subclass is a frozen dataclass; its fields are the arguments, `Annotated[type, reader]`."""

    example: ClassVar[str]

    @abstractmethod
    def share(self, seconds: float) -> float:
        """Return how many times LOCUST_USERS there are, so long after the beginning."""

    def users(self, seconds: float, users: int) -> int:
        return max(1, round(users * self.share(seconds)))


@dataclass(frozen=True)
class Ramp(Shape):
    """Up to LOCUST_USERS evenly, `hold` there, and down again in as long a time; without `hold` they stay."""

    example: ClassVar[str] = "ramp(20s)"
    over: Annotated[float, _seconds]
    hold: Annotated[float, parse_duration] = 0.0

    def share(self, seconds: float) -> float:
        if not self.hold or seconds < self.over + self.hold:
            return min(seconds / self.over, 1.0)
        return max(0.0, 1 - (seconds - self.over - self.hold) / self.over)


@dataclass(frozen=True)
class Step(Shape):
    """To LOCUST_USERS in equal steps, each of which lasts so long."""

    example: ClassVar[str] = "step(4, every=10s)"
    steps: Annotated[int, _steps]
    every: Annotated[float, _seconds]

    def share(self, seconds: float) -> float:
        return min(int(seconds / self.every) + 1, self.steps) / self.steps


@dataclass(frozen=True)
class Spike(Shape):
    """So many times LOCUST_USERS for a while."""

    example: ClassVar[str] = "spike(5, at=10s, during=5s)"
    times: Annotated[float, _times]
    at: Annotated[float, _seconds]
    during: Annotated[float, _seconds]

    def share(self, seconds: float) -> float:
        return self.times if self.at <= seconds < self.at + self.during else 1.0


_SHAPES: dict[str, type[Shape]] = {"ramp": Ramp, "step": Step, "spike": Spike}


def allowed_shapes() -> str:
    """Return an example of each, for messages and tables."""
    return ", ".join(shape.example for shape in _SHAPES.values())


def parse_shape(text: str) -> Shape | None:
    """Return the shape, None for an empty text. A ValueError is one line about what is wrong."""
    return parse_call(text, _SHAPES, "a shape") if text.strip() else None
