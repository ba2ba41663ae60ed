"""All that was seen of one run, which its document is built from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from lab.calling_pattern import CallingPattern, calling_pattern
from lab.run_document import Generator, RunMode, RunStatus, SeriesPoint, SettingsAtEnds
from lab.wire.link import LinkConfig
from lab.wire.mock import RunExecutions
from lab.wire.proxy import LedgerPage, ProxyConfig
from lab.wire.service import VariableValues
from loadtest.options import derived
from loadtest.span import Moment, Span, steady_span


@dataclass(frozen=True)
class Observation:
    """One run: `whole` is all of it, from before the first request to after the last.

    `spawned` and `stopped` are the moments at which its last user started, and at which its users were to stop.
    `ledger` has all entries since the run began; None if the proxy keeps none.
    """

    run_id: str
    mode: RunMode
    status: RunStatus
    started_at: datetime
    users: int
    load_settings: VariableValues
    whole: Span
    generator: Generator
    spawned: Moment | None = None
    stopped: Moment | None = None
    ledger: LedgerPage | None = None
    executions: RunExecutions | None = None
    label: str = ""
    group: str = ""
    series: Sequence[SeriesPoint] = field(default_factory=list)

    @cached_property
    def steady(self) -> Span:
        """The part of the run that its figures are of."""
        if self.load_settings.get("LAB_SHAPE"):
            because = "the number of users changes all the time (LAB_SHAPE)"
            return replace(self.whole, window=self.whole.window.model_copy(update={"because": because}))
        return steady_span(self.whole, self.spawned, self.stopped)

    @property
    def proxy_config(self) -> ProxyConfig | None:
        return self.whole.before.proxy_config or self.whole.after.proxy_config

    @property
    def link_config(self) -> LinkConfig | None:
        return self.whole.before.network_config or self.whole.after.network_config

    @property
    def pattern(self) -> CallingPattern | None:
        return calling_pattern(self.load_settings.get("LAB_PATTERN"))

    @property
    def settings_at_ends(self) -> SettingsAtEnds:
        load, config = self.load_settings, self.whole.before.proxy_config
        return SettingsAtEnds(
            start=self.whole.before.part_settings(load),
            end=self.whole.after.part_settings(load),
            derived=[*derived(load), *(config.derived if config else [])],
        )
