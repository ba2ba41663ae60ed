"""The progress of a run while it is under way."""

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.cli.console import number
from lab.wire.locust import RunSecond

_PLAIN_EVERY_SECONDS = 5.0


class RunProgress:
    """A bar and the newest figures: one line that is rewritten on a terminal, a line every 5 s elsewhere.

    With a `title`, for a run that is one of many, it is before the line, and nothing is printed that stays.
    """

    def __init__(self, console: Console, title: str = "") -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, transient=True, refresh_per_second=4) if console.is_terminal else None
        self._next_plain = 0.0

    def __enter__(self) -> "RunProgress":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def message(self, text: str) -> None:
        """Show what is being done before figures come."""
        if self._live is not None:
            self._live.update(Text(f"{self._title}  {text}" if self._title else text))

    def differs(self, text: str) -> None:
        """Show what the run's settings differ in, and what was restarted for them: this line stays."""
        if not self._title:
            self._console.print(text, soft_wrap=True)

    def wait(self, text: str) -> None:
        """Show what is being waited for: off a terminal too, a line each time."""
        if self._live is not None:
            self._live.update(Text(f"{self._title}  {text}" if self._title else text))
        else:
            self._console.print(text, markup=False, soft_wrap=True)

    def show(self, point: RunSecond) -> None:
        if self._live is not None:
            self._live.update(_line(point, self._title))
        elif not self._title and point.t_seconds >= self._next_plain:
            self._next_plain = point.t_seconds + _PLAIN_EVERY_SECONDS
            self._console.print(f"{_seconds(point)}  {_figures(point)}", soft_wrap=True)


def _line(point: RunSecond, title: str) -> Table:
    line, total = Table.grid(padding=(0, 1)), point.of_seconds or 1.0
    bar = ProgressBar(total=total, completed=min(point.t_seconds, total), width=12)
    line.add_row(*([Text(title)] if title else []), bar, _seconds(point), _figures(point))
    return line


def _seconds(point: RunSecond) -> str:
    return f"{point.t_seconds:.0f}/{point.of_seconds or 0:.0f} s"


def _figures(point: RunSecond) -> str:
    failures = f" {point.failures} failed" if point.failures else ""
    return (
        f"{point.users} users{failures}  {number(point.rps)}/s  "
        f"p50 {number(point.p50_ms)} p99 {number(point.p99_ms)} ms  "
        f"pool {number(point.pool_active)}+{number(point.pool_waiting)} waiting"
    )
