"""How well link and mock kept up in a run: their lateness, CPU time and what they injected. Pure.

Late events are counted in a histogram since a service started; a run's is the difference between its end and its
beginning.
"""

from collections.abc import Mapping

from lab.emulation import DistributionMs, EmulatorStats
from lab.wire.service import Histogram
from loadtest.counter_deltas import distribution, grown
from loadtest.service_snapshots import Snapshot


def counted_in_all(part: EmulatorStats | None, whole: EmulatorStats | None) -> EmulatorStats | None:
    """Return how an emulator kept up in a part of a run, with what it did to requests in all of it."""
    if part is None or whole is None:
        return part
    return part.model_copy(update={"injected": whole.injected, "refused": whole.refused})


def link_stats(before: Snapshot, after: Snapshot, cpu_cores: float | None) -> EmulatorStats | None:
    """Return how the link kept up; None if it did not answer at the end."""
    start, end = before.network, after.network
    if end is None:
        return None
    config = after.network_config or before.network_config
    return EmulatorStats(
        engine=config.engine if config else None,
        lateness_ms=_lateness(start.lateness_ms, end.lateness_ms) if start else None,
        cpu_cores=cpu_cores,
        injected=_injected(start.injected if start else None, end.injected),
    )


def mock_stats(before: Snapshot, after: Snapshot, cpu_cores: float | None) -> EmulatorStats | None:
    """Return how the mock kept up; None if it did not answer at the end."""
    start, end = before.upstream, after.upstream
    if end is None:
        return None
    refused = grown(start.capacity.refused if start else 0, end.capacity.refused)
    return EmulatorStats(
        lateness_ms=_lateness(start.lateness_ms, end.lateness_ms) if start else None,
        cpu_cores=cpu_cores,
        injected=_injected(start.faults if start else None, end.faults),
        refused=refused if refused is not None and refused >= 0 else None,
    )


def _lateness(start: Histogram | None, end: Histogram | None) -> DistributionMs | None:
    return distribution(start or Histogram(), end) if end is not None else None


def _injected(start: Mapping[str, int] | None, end: Mapping[str, int] | None) -> dict[str, int] | None:
    if start is None or end is None:
        return None
    added = {kind: end.get(kind, 0) - start.get(kind, 0) for kind in {**start, **end}}
    # A count that shrank was reset meanwhile, or its service restarted: then it is not of the run.
    return added if min(added.values(), default=0) >= 0 else None
