"""What the control port tells about and changes: the settings, the engine, and what was measured."""

import asyncio
import importlib.metadata
import platform
import time
from dataclasses import dataclass, field
from typing import Any

from link.engine import Engine
from link.engine_selection import EngineChoice
from link.environment import line
from link.lateness import quantile_ms
from link.self_test import SelfTest
from link.settings import PREFIX, Settings, configured

TOLERANCE_MS = 2.0
TOLERANCE = 0.1
UNITS = {"mbit": "Mbit/s", "pct": "%", "seconds": "s"}
LIBRARIES = ("fastapi", "uvicorn", "pydantic")


class RefusedError(Exception):
    """The engine in force cannot do what is asked; the message is the line to answer."""


@dataclass
class Controller:
    """One link that runs; `ready` once it has measured itself, or has nothing to measure.

    `since` is where a partition's seconds count from. `measured` is None after a change, until it is measured again.
    """

    settings: Settings
    choice: EngineChoice
    engine: Engine
    measured: SelfTest | None = None
    lateness_measured: dict[str, float | int | None] = field(default_factory=dict)
    ready: bool = False
    since: float = field(default_factory=time.monotonic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._started_with = self.settings

    def change(self, wanted: Settings, named: set[str]) -> None:
        """Take over other conditions at once, all of them or none; `named` are the fields that were asked for.

        Raises RefusedError if the engine in force cannot emulate them.
        """
        refused = self.engine.refuses(wanted.conditions)
        if refused:
            name, why = refused
            raise RefusedError(line(name, str(getattr(wanted, name)), why))
        if "partition" in named:
            self.since = time.monotonic()
        self.engine.change(wanted.conditions, self.since)
        self.settings = wanted
        self.measured = None
        self.changed.set()

    async def measure(self) -> None:
        """Measure the conditions in force. Raises TimeoutError or OSError if nothing gets through."""
        settings = self.settings
        measured = await self.engine.measure()
        if settings is self.settings:  # else it is of what was in force before
            self.measured, self.lateness_measured = measured, self.engine.lateness.summary_ms()

    def config(self) -> dict[str, Any]:
        """Return the answer of `/-/config`."""
        return {
            "service": "link",
            "settings": {PREFIX + name.upper(): value for name, value in self.settings.model_dump(mode="json").items()},
            "versions": {
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in LIBRARIES},
            },
            "changed": self.settings != self._started_with,
            "engine": self.choice.engine,
            "because": self.choice.because,
            "configured": configured(self.settings.conditions),
            "measured": self._measured(),
            "limits": self.engine.limits(self.settings.conditions),
        }

    def stats(self) -> dict[str, Any]:
        """Return the answer of `/-/stats`."""
        return {
            **self.engine.stats(),
            "lateness_ms": {
                **self.engine.lateness.summary_ms(),
                "histogram": self.engine.lateness.histogram_ms(),
            },
            "process": {"cpu_seconds": round(time.process_time(), 3)},
        }

    def line(self) -> str:
        """Return the one line that says which engine was taken, why, and what it does."""
        said = f"link: engine={self.choice.engine} ({self.choice.because})"
        if self.measured is None:
            return said
        figures = self.measured.summary_ms()
        what = " ".join(_figure(name, value) for name, value in configured(self.settings.conditions).items() if value)
        said += f" {what or 'nothing'} configured, "
        if self.choice.engine == "tun":
            return said + f"connect {figures['connect_ms']['p50']:.1f} ms measured"
        fresh, warm = figures["fresh_request_ms"]["p50"], figures["warm_request_ms"]["p50"]
        return (
            said + f"fresh request {fresh:.1f} ms, warm {warm:.1f} ms measured; a relay cannot delay connect() itself"
        )

    def warning(self) -> str | None:
        """Return a line if what was measured is not what is configured; jitter and a narrow band only add to it."""
        if self.measured is None:
            return None
        wanted = self.settings.conditions.rtt * 1e3
        jitter = 3 * self.settings.conditions.jitter * 1e3
        warm = quantile_ms(self.measured.warm, 0.5) or 0.0
        slack = max(TOLERANCE_MS, TOLERANCE * wanted)
        if wanted - 0.1 <= warm <= wanted + jitter + slack:
            return None
        return f"link: warning: a request takes {warm:.1f} ms where {wanted:g} ms are configured"

    def _measured(self) -> dict[str, Any] | None:
        if self.measured is None:
            return None
        lateness = {name: self.lateness_measured.get(name) for name in ("p50", "p99")}
        return {**self.measured.summary_ms(), "lateness_ms": lateness}


def _figure(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return f"{name.replace('_', ' ')} {value}"
    what, unit = name.rsplit("_", 1)
    return f"{what.replace('_', ' ')} {value:g} {UNITS.get(unit, unit)}"
