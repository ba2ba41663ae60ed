"""How the link and the mock did during a run: how late they were, what CPU they took, whom they struck. Pure.

What left late is counted in a histogram since a part started; a run's is the difference between its end and its
beginning. Quantiles alone have no such difference: they are of the run only if nothing had been counted before it.
"""

from lab.run_document import DistributionMs, StandIn
from loadtest.service_snapshots import Answer, Snapshot, number, section
from service_kit.histogram import difference, parse_buckets, percentile


def link(before: Snapshot, after: Snapshot, cpu_cores: float | None) -> StandIn | None:
    """Return how the link kept up; None if it did not answer at the end."""
    if after.network is None:
        return None
    engine = (after.network_config or before.network_config or {}).get("engine")
    lateness = _lateness(before.network, after.network)
    return StandIn(
        engine=engine if isinstance(engine, str) else None,
        lateness_ms=lateness,
        cpu_cores=cpu_cores,
        struck=_struck(_by_what(before.network), _by_what(after.network)),
    )


def upstream(before: Snapshot, after: Snapshot, cpu_cores: float | None) -> StandIn | None:
    """Return how the mock kept up; None if it did not answer at the end."""
    if after.upstream is None:
        return None
    start, end = (section(answer, "capacity") for answer in (before.upstream, after.upstream))
    refused = int(number(end, "refused") - number(start, "refused"))
    return StandIn(
        lateness_ms=_lateness(before.upstream, after.upstream),
        cpu_cores=cpu_cores,
        struck=_struck(_counted(before.upstream, "faults"), _counted(after.upstream, "faults")),
        refused=refused if "refused" in end and refused >= 0 else None,
    )


def rtt_ms(snapshot: Snapshot) -> float:
    """Return the round trip the link is set to; 0 if it does not say."""
    return number(section(snapshot.network_config, "configured"), "rtt_ms")


def _by_what(network: Answer | None) -> Answer | None:
    """A relay counts what it did to connections, tun the packets it dropped."""
    return _counted(network, "affected_by") or _counted(section(network, "packets"), "dropped_by")


def _counted(answer: Answer | None, name: str) -> Answer | None:
    counts = (answer or {}).get(name)
    return counts if isinstance(counts, dict) else None


def _struck(start: Answer | None, end: Answer | None) -> dict[str, int] | None:
    if start is None or end is None:
        return None
    added = {kind: int(number(end, kind) - number(start, kind)) for kind in {**start, **end}}
    # A count that shrank was reset meanwhile, or its part restarted: then it is not of the run.
    return added if min(added.values(), default=0) >= 0 else None


def _lateness(before: Answer | None, after: Answer | None) -> DistributionMs | None:
    start, end = section(before, "lateness_ms"), section(after, "lateness_ms")
    if before is None or not end:
        return None
    if not isinstance(end.get("histogram"), dict):
        counts = int(number(start, "count")), int(number(end, "count"))
        return _by_quantiles(end, *counts)
    try:
        added = difference(parse_buckets(end), parse_buckets(start))
    except ValueError:  # restarted meanwhile
        return None
    return DistributionMs(count=sum(added.values()), p50=percentile(added, 0.5), p99=percentile(added, 0.99))


def _by_quantiles(end: Answer, count_before: int, count: int) -> DistributionMs | None:
    if count < count_before:  # restarted meanwhile
        return None
    known = count_before == 0 and count > 0
    p50, p99 = (_known(end, name) if known else None for name in ("p50", "p99"))
    return DistributionMs(count=count - count_before, p50=p50, p99=p99)


def _known(answer: Answer, key: str) -> float | None:
    value = answer.get(key)
    return float(value) if isinstance(value, int | float) else None
