"""What the services report at one moment; None for a service that did not answer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.prediction.from_settings import ReportedSettings
from lab.run_document import PartSettings
from lab.wire.link import LinkConfig, LinkStats
from lab.wire.mock import FaultRules, MockConfig, MockStats
from lab.wire.proxy import PoolStats, ProxyConfig
from lab.wire.service import Process, ServiceConfig, VariableValues
from service_kit.process_figures import HostCpu


@dataclass(frozen=True)
class Snapshot:
    """The services' answers at `at` (monotonic seconds). `notes` has a line for each service that is not understood."""

    at: float
    proxy_config: ProxyConfig | None = None
    network_config: LinkConfig | None = None
    upstream_config: MockConfig | None = None
    upstream_faults: FaultRules | None = None
    pool: PoolStats | None = None
    upstream: MockStats | None = None
    network: LinkStats | None = None
    ledger_cursor: str | None = None
    host_cpu: HostCpu | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> dict[str, Process]:
        """The processes of the services whose counters are known, by the service's name."""
        answers = {"proxy": self.pool, "upstream": self.upstream, "link": self.network}
        return {name: answer.process for name, answer in answers.items() if answer is not None}

    @property
    def configs(self) -> dict[str, ServiceConfig]:
        """The configurations that are known, by service."""
        answers = {"proxy": self.proxy_config, "upstream": self.upstream_config, "link": self.network_config}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def in_flight(self, run_id: str) -> int:
        """Return how many requests of the run proxy and mock have in flight, as far as they report it."""
        in_proxy = self.pool.run.in_flight if self.pool and self.pool.run.id == run_id else 0
        run = self.upstream.runs.get(run_id) if self.upstream else None
        return in_proxy + (run.in_flight if run else 0)

    def silent_since(self, before: "Snapshot") -> list[str]:
        """Return the services whose counters are missing here and were known before."""
        return [name for name in before.processes if name not in self.processes]

    def part_settings(self, load: VariableValues) -> PartSettings:
        """Return the settings as the services reported them, beside those of the load.

        The mock's faults are the rules in force, because they can be changed while it runs.
        """
        proxy, network, upstream = (
            None if config is None else config.settings
            for config in (self.proxy_config, self.network_config, self.upstream_config)
        )
        if upstream is not None and self.upstream_faults is not None:
            upstream = upstream | {"UPSTREAM_FAULT": "; ".join(self.upstream_faults.rules) or None}
        return PartSettings(load=load, proxy=proxy, network=network, upstream=upstream)

    def reported_settings(self, load: VariableValues) -> ReportedSettings | None:
        """Return what a prediction is made from; None if a service did not report its settings."""
        proxy, link, mock = self.proxy_config, self.network_config, self.upstream_config
        if proxy is None or link is None or mock is None:
            return None
        return ReportedSettings(load, proxy.settings, link.configured, mock.settings, mock.latency)
