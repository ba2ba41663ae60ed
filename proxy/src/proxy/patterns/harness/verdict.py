"""What to think of a pattern, in one sentence."""

from typing import NamedTuple


class Verdict(NamedTuple):
    """Whether to use a pattern, and why."""

    use: bool
    because: str


def use_it(because: str) -> Verdict:
    """Recommend a pattern."""
    return Verdict(True, because)


def dont(because: str) -> Verdict:
    """Advise against a pattern."""
    return Verdict(False, because)
