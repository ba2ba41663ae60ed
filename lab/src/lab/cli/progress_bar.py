"""How a run looks while it is under way."""

from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.cli.console import number

_PLAIN_EVERY_SECONDS = 5.0


class LiveRun:
    """A bar and the newest figures: one line that is rewritten on a terminal, a line every 5 s elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, refresh_per_second=4) if console.is_terminal else None
        self._next_plain = 0.0

    def __enter__(self) -> "LiveRun":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Show what is being done before figures come."""
        if self._live is not None:
            self._live.update(Text(text))

    def wait(self, text: str) -> None:
        """Show what is being waited for: off a terminal too, a line each time."""
        if self._live is not None:
            self._live.update(Text(text))
        else:
            self._console.print(text, markup=False, soft_wrap=True)

    def show(self, point: dict[str, Any]) -> None:
        """Show a line of Locust's progress."""
        seconds, of_seconds = float(point.get("t_seconds") or 0), float(point.get("of_seconds") or 0)
        if self._live is not None:
            self._live.update(_line(point, seconds, of_seconds))
        elif seconds >= self._next_plain:
            self._next_plain = seconds + _PLAIN_EVERY_SECONDS
            self._console.print(f"{seconds:.0f}/{of_seconds:.0f} s  {_figures(point)}", soft_wrap=True)


def _line(point: dict[str, Any], seconds: float, of_seconds: float) -> Table:
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=of_seconds or 1, completed=min(seconds, of_seconds), width=12),
        f"{seconds:.0f}/{of_seconds:.0f} s",
        _figures(point),
    )
    return line


def _figures(point: dict[str, Any]) -> str:
    failures = f" {point['failures']} failed" if point.get("failures") else ""
    return (
        f"{point.get('users', 0)} users{failures}  {number(point.get('rps'))}/s  "
        f"p50 {number(point.get('p50_ms'))} p99 {number(point.get('p99_ms'))} ms  "
        f"pool {number(point.get('pool_active'))}+{number(point.get('pool_waiting'))} waiting"
    )
