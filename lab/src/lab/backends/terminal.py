"""What `up` shows: every service's lines with its name before them, and what it is waiting for."""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from lab.backends.service_spec import ServiceSpec


class Terminal:
    """Lines on standard output; on a terminal the last one is a status that is rewritten. Colours only there."""

    def __init__(self, services: Iterable[ServiceSpec], out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._is_terminal = self._out.isatty()
        self.coloured = self._is_terminal and not os.environ.get("NO_COLOR")
        self._width = max((len(spec.name) for spec in services), default=0)
        self._status = ""

    def log(self, spec: ServiceSpec, line: str) -> None:
        self.print(f"{self._paint(f'{spec.name:<{self._width}} |', spec.colour)} {line}")

    def print(self, text: str) -> None:
        """Show text of the command's own, or a line that has its service's name in it already."""
        self._put(f"\r\x1b[K{text}\n{self._status}" if self._is_terminal else f"{text}\n")

    def warn(self, text: str) -> None:
        self.print(self._paint(text, 31))

    def status(self, text: str) -> None:
        """Show what is going on now, on a terminal only; "" ends it."""
        self._status = text
        if self._is_terminal:
            self._put(f"\r\x1b[K{text}")

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text

    def _put(self, text: str) -> None:
        # The reader may be gone (`up | head`), or the disk is full: no reason to bring the services down.
        with contextlib.suppress(OSError):
            self._out.write(text)
            self._out.flush()


class SilentTerminal(Terminal):
    """Shows nothing: for services that a single run starts for itself."""

    def __init__(self) -> None:
        super().__init__(())

    def _put(self, text: str) -> None:  # noqa: ARG002
        return
