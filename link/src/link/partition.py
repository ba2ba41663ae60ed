"""A partition: the seconds in which nothing passes, written `5s-10s`, `5s-` (for good) or `off`."""

import math
import re
from dataclasses import dataclass

OFF = "off"
WRITTEN = re.compile(r"(\d+(?:\.\d+)?)s-(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


@dataclass(frozen=True)
class Partition:
    """From second `begin` up to second `end`, counted from when the link began or from when this was set."""

    begin: float
    end: float = math.inf

    def holds(self, elapsed: float) -> bool:
        """Return whether nothing passes this many seconds after the count began."""
        return self.begin <= elapsed < self.end

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.begin:g}s-" + ("" if math.isinf(self.end) else f"{self.end:g}s")


def parse(text: str) -> Partition | None:
    """Return the partition a text means, None for `off`. Raises ValueError with what is wrong."""
    if text == OFF:
        return None
    if not (found := WRITTEN.fullmatch(text)):
        raise ValueError("not a span of seconds")
    begin, end = found.groups()
    if end is not None and float(end) <= float(begin):
        raise ValueError("ends before it has begun")
    return Partition(float(begin), math.inf if end is None else float(end))
