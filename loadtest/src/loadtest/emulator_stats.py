"""How well link and mock kept up in a part of a run: their lateness and CPU time; and what they injected in all of it.

Pure. Late events are counted in a histogram since a service started; a run's is the difference between its end and its
beginning.
"""

from lab.document_part import DistributionMs
from lab.emulation import EmulatorStats
from lab.wire.service import Histogram
from loadtest.counter_deltas import distribution, grown, grown_by_name
from loadtest.span import Span


def link_stats(part: Span, whole: Span, cpu_cores: float | None) -> EmulatorStats | None:
    """Return how the link kept up; None if it did not answer at the end."""
    start, end = part.before.network, part.after.network
    if end is None:
        return None
    config = part.after.network_config or part.before.network_config
    injected = (each.network.injected if each.network else None for each in (whole.before, whole.after))
    return EmulatorStats(
        engine=config.engine if config else None,
        lateness_ms=_lateness(start.lateness_ms, end.lateness_ms) if start else None,
        cpu_cores=cpu_cores,
        injected=grown_by_name(*injected),
    )


def mock_stats(part: Span, whole: Span, cpu_cores: float | None) -> EmulatorStats | None:
    """Return how the mock kept up; None if it did not answer at the end."""
    start, end = part.before.upstream, part.after.upstream
    if end is None:
        return None
    faults = (each.upstream.faults if each.upstream else None for each in (whole.before, whole.after))
    first, last = (each.upstream.capacity.refused if each.upstream else None for each in (whole.before, whole.after))
    refused = grown(first, last)
    return EmulatorStats(
        lateness_ms=_lateness(start.lateness_ms, end.lateness_ms) if start else None,
        cpu_cores=cpu_cores,
        injected=grown_by_name(*faults),
        refused=refused if refused is not None and refused >= 0 else None,
    )


def _lateness(start: Histogram | None, end: Histogram | None) -> DistributionMs | None:
    return distribution(start or Histogram(), end) if end is not None else None
