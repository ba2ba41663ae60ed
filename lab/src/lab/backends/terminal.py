"""What `up` shows: every service's lines with its name before them, and what is being waited for."""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from lab.backends.service_spec import ServiceSpec


class Screen:
    """Lines on standard output; on a terminal the last one is a status that is rewritten. Colours only there."""

    def __init__(self, services: Iterable[ServiceSpec], out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._terminal = self._out.isatty()
        self.coloured = self._terminal and not os.environ.get("NO_COLOR")
        self._width = max((len(spec.name) for spec in services), default=0)
        self._status = ""

    def log(self, spec: ServiceSpec, line: str) -> None:
        """Show a line that a service wrote."""
        self._write(f"{self._paint(f'{spec.name:<{self._width}} |', spec.colour)} {line}")

    def say(self, text: str, loud: bool = False) -> None:
        """Show a line of the supervisor's own."""
        self._write(self._paint(text, 31) if loud else text)

    def status(self, text: str) -> None:
        """Show what is going on now, on a terminal only; "" ends it."""
        self._status = text
        if self._terminal:
            self._put(f"\r\x1b[K{text}")

    def _write(self, text: str) -> None:
        self._put(f"\r\x1b[K{text}\n{self._status}" if self._terminal else f"{text}\n")

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text

    def _put(self, text: str) -> None:
        # Whoever read this may have left (`up | head`), or the disk is full: no reason to bring the services down.
        with contextlib.suppress(OSError):
            self._out.write(text)
            self._out.flush()


class Silence(Screen):
    """Shows nothing: for services that a single run starts for itself."""

    def __init__(self) -> None:
        super().__init__(())

    def _put(self, text: str) -> None:  # noqa: ARG002
        return
