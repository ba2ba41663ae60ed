"""The steady part of a run: from the last user's start to the stop."""

from typing import Literal

from lab.document_part import DocumentPart

SHORTEST_SECONDS = 2.0
FEWEST_REQUESTS = 50
"""Below either, a run has no steady part that could be told from its beginning and its end."""

RunPart = Literal["ramp", "steady", "drain"]


class Window(DocumentPart):
    """The seconds since the run's start that its figures are of. `steady`: they lie between ramp and drain.

    Else the run was too short, `because` says how, and the figures are of all of it.
    """

    begin_seconds: float
    end_seconds: float
    steady: bool
    because: str = ""

    @property
    def seconds(self) -> float:
        return self.end_seconds - self.begin_seconds

    def part(self, t_seconds: float) -> RunPart:
        """Return which part of the run a moment lies in."""
        return "ramp" if t_seconds <= self.begin_seconds else "steady" if t_seconds <= self.end_seconds else "drain"


def window(spawned_seconds: float | None, stopped_seconds: float | None, requests: int, whole_seconds: float) -> Window:
    """Return the window of a run in which `requests` ended between the last user's start and the stop.

    None: the run ended before all users had started, or was never stopped.
    """
    if spawned_seconds is None or stopped_seconds is None:
        return _all(whole_seconds, "the run ended before all its users had started")
    seconds = stopped_seconds - spawned_seconds
    if seconds < SHORTEST_SECONDS:
        return _all(whole_seconds, f"it ran for {seconds:.1f} s with all users, and {SHORTEST_SECONDS:g} s are needed")
    if requests < FEWEST_REQUESTS:
        return _all(whole_seconds, f"{requests} requests ended in it, and {FEWEST_REQUESTS} are needed")
    return Window(begin_seconds=round(spawned_seconds, 3), end_seconds=round(stopped_seconds, 3), steady=True)


def _all(seconds: float, because: str) -> Window:
    return Window(begin_seconds=0.0, end_seconds=round(seconds, 3), steady=False, because=because)
