"""What the users of a load do, as LAB_USER_KIND has it: several kinds joined by `;`, each with a weight before it.

The kinds that a model describes are here; all of them are in `loadtest.users`.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from service_kit.call_text import parse_call
from service_kit.duration import parse_duration

CLOSED = "closed"
"""Each user sends its next request when the last one is answered."""

_WEIGHTED = re.compile(r"(?:([1-9][0-9]{0,3})\s*\*\s*)?(\S.*)")
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*s")
MOST_IN_FLIGHT = 10_000
FASTEST_RPS = 10_000.0


def parse_rate(text: str) -> float:
    """Return requests per second, from `200/s`. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or not 0 < float(match[1]) <= FASTEST_RPS:
        raise ValueError(f"{text!r} is not a rate (a number above 0 and up to {FASTEST_RPS:.0f}, and /s)")
    return float(match[1])


def parse_arrivals(text: str) -> str:
    if text not in ("poisson", "constant"):
        raise ValueError(f"{text!r} is neither poisson nor constant")
    return text


def parse_in_flight(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MOST_IN_FLIGHT:
        raise ValueError(f"{text!r} is not a number from 1 to {MOST_IN_FLIGHT}")
    return int(text)


@dataclass(frozen=True)
class ClosedLoad:
    """Each user waits for its answer, thinks for so many seconds, and sends the next request."""

    think: Annotated[float, parse_duration] = 0.0


@dataclass(frozen=True)
class OpenLoad:
    """Requests arrive at a rate, whatever became of those before. Beyond `in_flight` at once they are dropped."""

    rate: Annotated[float, parse_rate]
    arrivals: Annotated[str, parse_arrivals] = "poisson"
    in_flight: Annotated[int, parse_in_flight] = 1000


_MODELLED: dict[str, type[ClosedLoad] | type[OpenLoad]] = {"closed": ClosedLoad, "open": OpenLoad}


def weighted_kinds(text: str) -> list[tuple[int, str]]:
    """Return each kind's weight and text. Raises ValueError."""
    found = []
    for part in text.split(";"):
        match = _WEIGHTED.fullmatch(" ".join(part.split()))
        if match is None:
            raise ValueError("a kind is missing")
        found.append((int(match[1] or 1), match[2]))
    return found


def modelled_load(text: str) -> ClosedLoad | OpenLoad | None:
    """Return the load if all users are of one kind that a model describes."""
    kinds = weighted_kinds(text)
    name = kinds[0][1].partition("(")[0].strip()
    if len(kinds) > 1 or name not in _MODELLED:
        return None
    return parse_call(kinds[0][1], _MODELLED, "a kind of user")
