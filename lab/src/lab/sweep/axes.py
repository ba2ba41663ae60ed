"""The variables that are swept and the values of each."""

import itertools
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_CELLS = 200
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_SPREAD = 8
"""So many values of a range are measured where no objective is searched for."""

_HARDER_WHEN_LARGER = ("LOCUST_USERS", "LOCUST_SPAWN_RATE")
"""Where the largest value that holds an objective is wanted, and not the smallest."""

_GIVEN = (
    "LOCUST_USERS",
    "LOCUST_SPAWN_RATE",
    "LOCUST_RUN_TIME",
    "LAB_REQUEST_PATH",
    "LAB_USER_KIND",
    "UPSTREAM_",
    "NET_",
)
"""Beginnings of the variables that are the load and the world around the app: measured over, and nothing to set."""

Cell = tuple[tuple[str, str], ...]
"""One combination of values: (variable, value) for each variable that is swept."""


class AxisError(ValueError):
    """Values that cannot be swept; the message is one line that names variable and value."""


@dataclass(frozen=True)
class Axis:
    """A variable and its values: numbers in rising order, others as they were given. `low` and `high` are a range's."""

    variable: str
    values: tuple[str, ...]
    low: int | None = None
    high: int | None = None

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The values as numbers, None if one is none."""
        return _numbers(self.values)

    @property
    def is_range(self) -> bool:
        return self.low is not None

    @property
    def candidates(self) -> list[int]:
        """The whole numbers of a range, those that are wanted most first."""
        assert self.low is not None
        assert self.high is not None
        found = list(range(self.low, self.high + 1))
        return found[::-1] if self.variable in _HARDER_WHEN_LARGER else found

    @property
    def wanted(self) -> tuple[str, ...]:
        """The values, those that are wanted most first where an objective holds with several."""
        return self.values[::-1] if self.variable in _HARDER_WHEN_LARGER else self.values


def axes_of(assignments: Mapping[str, str]) -> tuple[list[Axis], dict[str, str]]:
    """Return the variables with several values, and the settings that have one. Raises AxisError.

    Values are parted by commas outside brackets; `1..60` is a range of whole numbers.
    """
    axes, fixed = [], {}
    for name, text in assignments.items():
        match = _RANGE.fullmatch(text.strip())
        if match:
            axes.append(_range(name, int(match[1]), int(match[2])))
            continue
        values = split_values(text)
        if len(values) == 1:
            fixed[name] = text
        else:
            axes.append(_axis(name, values))
    if not axes:
        raise AxisError("nothing to sweep: give a variable several values, such as PROXY_MAX_CONNECTIONS=5,10,20,40")
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_CELLS:
        raise AxisError(f"{' '.join(axis.variable for axis in axes)}: {count} cells; allowed: up to {MOST_CELLS}")
    return axes, fixed


def split_values(text: str) -> list[str]:
    """Split at commas that are not within brackets, as those of `lognormal(100ms, p99=400ms)` are."""
    values, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            values.append("")
        else:
            values[-1] += character
    return [value.strip() for value in values]


def cells_of(axes: Sequence[Axis]) -> list[Cell]:
    """Return all combinations; the first variable changes last."""
    return _combined(axes, [axis.values for axis in axes])


def wanted_cells(axes: Sequence[Axis]) -> list[Cell]:
    """Return all combinations, those that are wanted most first."""
    return _combined(axes, [axis.wanted for axis in axes])


def _combined(axes: Sequence[Axis], values: Sequence[Sequence[str]]) -> list[Cell]:
    names = [axis.variable for axis in axes]
    return [tuple(zip(names, each, strict=True)) for each in itertools.product(*values)]


def rounds(cells: Sequence[Cell], repeat: int, seed: int) -> list[tuple[int, Cell]]:
    """Return the order of the runs: each round has all cells once, shuffled, so that drift falls on all alike."""
    drawn = random.Random(seed)
    return [(number, cell) for number in range(repeat) for cell in drawn.sample(cells, len(cells))]


def is_given(variable: str) -> bool:
    """Whether a variable is none of the app's: its users, its upstream and the way there are what they are."""
    return variable.startswith(_GIVEN)


def cell_words(cell: Cell) -> str:
    return " ".join(f"{name}={value or '(unset)'}" for name, value in cell)


def _axis(name: str, values: Sequence[str]) -> Axis:
    doubled = [value for number, value in enumerate(values) if value in values[:number]]
    if doubled:
        raise AxisError(f"{name}={','.join(values)}: {doubled[0] or '(unset)'} is given twice")
    numbers = _numbers(values)
    if numbers is not None:
        values = [value for _, value in sorted(zip(numbers, values, strict=True))]
    return Axis(name, tuple(values))


def _range(name: str, low: int, high: int) -> Axis:
    if not 1 <= low < high:
        raise AxisError(f"{name}={low}..{high}: a range rises, from 1 on")
    if high - low > 10_000:
        raise AxisError(f"{name}={low}..{high}: a range has up to 10000 values")
    count = min(_SPREAD, high - low + 1)
    spread = sorted({round(low * (high / low) ** (step / (count - 1))) for step in range(count)})
    return Axis(name, tuple(str(value) for value in spread), low, high)


def _numbers(values: Sequence[str]) -> tuple[float, ...] | None:
    try:
        found = tuple(float(value) for value in values)
    except ValueError:
        return None
    return found if all(math.isfinite(value) for value in found) else None
