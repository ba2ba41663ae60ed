"""Latencies that were measured somewhere, from a file."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from upstream_mock.duration import parse_duration
from upstream_mock.latency.distribution import Distribution

MAX_LINES = 1_000_000
MAX_LINE_BYTES = 1000


def read_durations(path: str) -> tuple[float, ...]:
    """The durations of a file in seconds, sorted: one a line, empty lines and what follows a # left out.

    ValueError names the file and the line.
    """
    found = []
    try:
        with Path(path).open("rb") as file:
            # Bounded, for a path may be one that never ends, such as /dev/zero.
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
                if number > MAX_LINES:
                    raise ValueError(f"{path}: more than {MAX_LINES} lines")
                if text := line.partition(b"#")[0].strip().decode("utf-8", "replace"):
                    found.append(_duration(text[:60], f"{path}:{number}"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from None
    if not found:
        raise ValueError(f"{path}: no duration in it")
    return tuple(sorted(found))


def _duration(text: str, where: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Empirical(Distribution):
    """Each duration of a file equally often, whatever their order there; a path holds no comma and no equals sign."""

    example: ClassVar[str] = "empirical(/path/of/file)"
    at_start_only: ClassVar[bool] = True
    file: Annotated[tuple[float, ...], read_durations]

    def quantile(self, u: float) -> float:
        """The one in place u of the sorted list."""
        return self.file[int(u * len(self.file))]
