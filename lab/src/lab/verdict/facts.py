"""The figures of a run that the rules read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import JsonValue

from lab.account.places import PLACES, Place
from lab.conclusion import Advice, Bottleneck, Finding
from lab.prediction.from_settings import ReportedSettings
from lab.run_document import RunDocument, Totals
from lab.run_settings import variables_of
from lab.verdict.run_model import RunModel
from lab.wire.service import VariableValues
from lab.wording import value_text

TENTH = 0.1
"""Share of the users' time from which on something is worth a word."""

FULL = 0.9
"""Mean utilisation above which a resource counts as full: requests come and go, so none is full all the time."""

CPU_FULL = 0.85
"""A Python process has one core at most; above this share of it, it is the limit."""

MACHINE_FULL = 0.93
"""Share of the time that all cores were busy above which a process waits for one."""

OWN_SHARE = 0.8
"""Share of the busy cores that the sandbox itself must use before the machine counts as its limit."""

HOLDING = (
    Place.DNS,
    Place.CONNECT,
    Place.TLS,
    Place.SEND,
    Place.UPSTREAM_QUEUE,
    Place.UPSTREAM_WORK,
    Place.ROUND_TRIPS,
    Place.LOSS,
    Place.BANDWIDTH_QUEUE,
    Place.BODY,
    Place.PROXY_CPU,
    Place.NOT_REPORTED,
)
"""Where a request is while it holds a connection."""

QUEUES = (Place.POOL_WAIT, Place.THREAD_WAIT, Place.ADMISSION)
"""Where requests wait in the proxy for those before them. How long, is decided by what comes after."""


@dataclass(frozen=True)
class Facts:
    """One run, read with defaults for what was not measured. `settings` as reported, for a model of it."""

    run: RunDocument
    settings: ReportedSettings | None = None

    def share(self, *places: Place) -> float:
        """Return which part of the users' time in the mean was spent at these places."""
        return self.ms(*places) / self.users_ms if self.users_ms else 0.0

    def ms(self, *places: Place) -> float:
        """Return the mean time at these places; without an account of the run only the pool's own wait is known."""
        account, pool = self.run.attribution, self.run.pool
        if account is None:
            return (pool.wait_ms.mean or 0.0) if pool and Place.POOL_WAIT in places else 0.0
        return sum(account.mean_ms(place) for place in places)

    def part(self, *places: Place) -> str:
        """Return the time at these places in words: `405 of 510 ms (79 %)`."""
        return f"{self.ms(*places):.0f} of {self.users_ms:.0f} ms ({self.share(*places):.0%})"

    def number(self, variable: str, default: float = 0.0) -> float:
        """Return a numeric setting as it was in force at the start; the default if it is unset or no number."""
        value = self.setting(variable)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    def setting(self, variable: str) -> JsonValue:
        return self._variables.get(variable)

    def change_words(self, change: Mapping[str, JsonValue]) -> str:
        """Return variables to set, each with the value that was in force."""
        return " and ".join(
            f"{name}={value_text(value)} (now {value_text(self.setting(name))})" for name, value in change.items()
        )

    @cached_property
    def _variables(self) -> VariableValues:
        return variables_of(self.run.settings.start)

    @cached_property
    def model(self) -> RunModel:
        """The model of the run. Raises Unpredictable where none describes it."""
        return RunModel.of(self.run, self.settings)

    @cached_property
    def is_open(self) -> bool:
        """Whether requests arrive at a rate, whatever became of those before."""
        return self.run.witnesses.arrivals is not None

    @cached_property
    def at_once(self) -> int:
        """The most requests that are under way at once: one a user; of an open load as many as were seen."""
        if not self.is_open:
            return self.run.users
        return max(((point.pool_active or 0) + (point.pool_waiting or 0) for point in self.run.series), default=0) or 1

    @property
    def users_ms(self) -> float:
        return self.run.latency_ms.mean or 0.0

    @property
    def rps(self) -> float:
        return self.run.totals.succeeded_rps

    @property
    def whole(self) -> Totals:
        """What all of the run counted, ramp and end included: failures by kind are of that."""
        return self.run.whole or self.run.totals

    @property
    def failed_share(self) -> float:
        totals = self.whole
        return totals.failures / totals.requests if totals.requests else 0.0

    @cached_property
    def workers(self) -> int:
        rows = self.run.pool.workers if self.run.pool else []
        return max(1, len(rows), int(self.number("UVICORN_WORKERS", 1)))

    @property
    def pattern_opens_each_time(self) -> bool:
        """Whether the calling pattern makes a client for each request."""
        return self.run.pattern is not None and self.run.pattern.client_per_request

    def cpu_share(self, part: str) -> float:
        """Return how much of the CPU that a part's processes can use they used: one core each."""
        processes = {"proxy": self.workers, "generator": self.run.generator.processes}.get(part, 1)
        return (self.run.cpu_cores.get(part) or 0.0) / processes

    def held_back(self, part: str) -> float:
        """Return the share of the time in which a CPU limit held a part's processes back."""
        throttled = self.run.host.throttled_seconds.get(part, 0.0) if self.run.host is not None else 0.0
        return throttled / self.run.window_seconds if self.run.window_seconds else 0.0

    @property
    def own_cores(self) -> float:
        """Cores that the sandbox's own processes used."""
        return sum(cores or 0.0 for cores in self.run.cpu_cores.values())

    @property
    def others_fill_the_machine(self) -> bool:
        """Whether no core was free, and the sandbox was not what kept them busy."""
        host = self.run.host
        busy = host.busy_share or 0.0 if host is not None else 0.0
        return host is not None and busy >= MACHINE_FULL and self.own_cores < OWN_SHARE * host.cores * busy

    @property
    def others_have_a_share(self) -> bool:
        """Whether no core was free and other work had a tenth of them: figures of such a run are not the settings'."""
        host = self.run.host
        if host is None or (host.busy_share or 0.0) < MACHINE_FULL:
            return False
        return host.cores * (host.busy_share or 0.0) - self.own_cores >= TENTH * host.cores

    @property
    def churn(self) -> float:
        """New connections per request."""
        pool, requests = self.run.pool, self.run.totals.requests
        return min((pool.opened or 0) / requests, 1.0) if pool and requests else 0.0

    def caused(self, *places: Place) -> float:
        """Return the share of the users' time spent at these places, and waiting for requests that were there.

        What makes a connection be held longer makes all requests wait longer for one: its part of the time that
        connections were held is its part of the waiting before the pool.
        """
        held = self.ms(*HOLDING)
        return self.share(*places) + (self.share(*QUEUES) * self.ms(*places) / held if held else 0.0)

    def finding(self, bottleneck: Bottleneck, place: Place, share: float, because: str, advice: Advice) -> Finding:
        """Return a finding at a place, with the kind and owner of that place."""
        facts = PLACES[place]
        return Finding(
            bottleneck=bottleneck,
            place=place,
            kind=facts.kind,
            owner=facts.owner,
            share=round(min(share, 1.0), 4),
            because=because,
            advice=advice,
        )
