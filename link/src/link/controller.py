"""What the control port reports and changes: the settings, the engine, and what the link measured of itself."""

import asyncio
import importlib.metadata
import platform
import time
from dataclasses import dataclass, field
from typing import Any

from link.engine import Engine
from link.engine_selection import EngineChoice
from link.self_test import SelfTest, median_ms
from link.settings import CHANGEABLE, Settings, as_config, configured
from service_kit.histogram import difference, parse_buckets, percentile
from service_kit.process_figures import figures
from service_kit.settings_change import ChangeRefused, changeable_document, started_with
from service_kit.settings_errors import mistake
from service_kit.variables import variable_name

TOLERANCE_MS = 2.0
TOLERANCE = 0.1
UNITS = {"mbit": "Mbit/s", "pct": "%", "seconds": "s"}
OFFERED = changeable_document(Settings, CHANGEABLE)
LIBRARIES = ("fastapi", "uvicorn", "pydantic")


@dataclass
class Controller:
    """A running link; `ready` once it has measured itself, or has nothing to measure.

    The seconds of a partition count from `since`. `measured` is None after a change, until it is measured again.
    """

    settings: Settings
    choice: EngineChoice
    engine: Engine
    measured: SelfTest | None = None
    ready: bool = False
    since: float = field(default_factory=time.monotonic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._started_with = self.settings
        self._lateness_ms: dict[str, float | None] = {}

    def change(self, wanted: Settings, named: set[str]) -> None:
        """Apply other conditions at once, all of them or none; `named` are the fields that were asked for.

        Raises ChangeRefused (409) if the running engine cannot emulate them.
        """
        if (refused := self._refusal(wanted)) is not None:
            raise ChangeRefused(refused, 409)
        if "partition" in named:
            self.since = time.monotonic()
        self.engine.change(wanted.conditions, self.since)
        self.settings = wanted
        self.measured = None
        self.changed.set()

    async def measure(self) -> None:
        """Measure the current conditions. Raises TimeoutError or OSError if nothing gets through."""
        settings, before = self.settings, self._lateness_buckets()
        measured = await self.engine.measure()
        if settings is self.settings:  # else it is of the settings before
            late = difference(self._lateness_buckets(), before)
            self.measured = measured
            self._lateness_ms = {"p50": percentile(late, 0.5), "p99": percentile(late, 0.99)}

    def config(self) -> dict[str, Any]:
        """Return the body of `/-/config`."""
        return {
            **as_config(self.settings),
            "versions": {
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in LIBRARIES},
            },
            "changed": self.settings != self._started_with,
            "started_with": started_with(self._started_with, self.settings),
            "changeable": OFFERED,
            "fixed_because": self._refusal(self.settings) if self.choice.engine == "off" else None,
            "engine": self.choice.engine,
            "because": self.choice.because,
            "measured": {**self.measured.summary_ms(), "lateness_ms": self._lateness_ms} if self.measured else None,
            "caveats": self.engine.caveats(self.settings.conditions),
        }

    def stats(self) -> dict[str, Any]:
        """Return the body of `/-/stats`."""
        return {
            **self.engine.stats(),
            "lateness_ms": self.engine.lateness.as_json(),
            "process": {"cpu_seconds": round(time.process_time(), 3), **figures()},
        }

    def line(self) -> str:
        """Return the one line for the log: which engine, why, and what it does."""
        engine = f"link: engine={self.choice.engine} ({self.choice.because})"
        if self.measured is None:
            return engine
        figures = self.measured.summary_ms()
        what = " ".join(_figure(name, value) for name, value in configured(self.settings.conditions).items() if value)
        line = f"{engine} {what or 'nothing'} configured, "
        if self.choice.engine == "tun":
            return f"{line}connect {figures['connect_ms']['p50']:.1f} ms measured"
        fresh, warm = figures["fresh_request_ms"]["p50"], figures["warm_request_ms"]["p50"]
        return f"{line}fresh request {fresh:.1f} ms, warm {warm:.1f} ms measured; a relay cannot delay connect() itself"

    def warning(self) -> str | None:
        """Return a line if what was measured is not what is configured; jitter and a low bandwidth only add to it."""
        if self.measured is None:
            return None
        wanted = self.settings.conditions.rtt * 1e3
        jitter = 3 * self.settings.conditions.jitter * 1e3
        warm = median_ms(self.measured.warm)
        slack = max(TOLERANCE_MS, TOLERANCE * wanted)
        if wanted - 0.1 <= warm <= wanted + jitter + slack:
            return None
        return f"link: warning: a request takes {warm:.1f} ms where {wanted:g} ms are configured"

    def _refusal(self, wanted: Settings) -> str | None:
        """Return why the running engine cannot emulate that, None if it can."""
        refused = self.engine.refuses(wanted.conditions)
        return refused and mistake(variable_name(Settings, refused[0]), getattr(wanted, refused[0]), refused[1])

    def _lateness_buckets(self) -> dict[float, int]:
        return parse_buckets({"histogram": self.engine.lateness.buckets()})


def _figure(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return f"{name.replace('_', ' ')} {value}"
    what, unit = name.rsplit("_", 1)
    return f"{what.replace('_', ' ')} {value:g} {UNITS.get(unit, unit)}"
