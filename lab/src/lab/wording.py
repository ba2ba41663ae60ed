"""Text about a run: its name, network, upstream, injected faults and changed settings. Pure."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from lab.conclusion import Advice, Bottleneck, Metric
from lab.emulation import EmulatorStats, Network
from lab.pool_figures import Pool
from lab.run_document import KindFigures, RunDocument, SettingsAtEnds
from lab.run_name import run_name
from lab.run_settings import changes
from lab.wire.link import LinkConfig
from lab.wire.service import VariableValues
from lab.witnesses import Executions
from service_kit.variables import as_text

LIMITS: Mapping[Bottleneck, str] = {
    "pool": "the pool",
    "leak": "connections that were never closed",
    "admission": "the proxy's admission",
    "threads": "threads",
    "loop": "a blocked event loop",
    "cpu": "one process's CPU",
    "machine": "the machine's CPU",
    "generator": "Locust",
    "pattern": "the calling pattern",
    "connect": "new connections",
    "network": "the network",
    "upstream": "the upstream",
    "failures": "failures",
    "none": "nothing in the proxy",
}
"""What limited a run, to be put after "limited by"."""


def limit_label(bottleneck: Bottleneck) -> str:
    """Return the few words of a verdict's badge."""
    return {"failures": "Requests failed", "none": "No limit reached"}.get(bottleneck, f"Limit: {LIMITS[bottleneck]}")


_METRICS: Mapping[Metric, str] = {
    "succeeded_rps": "requests/s",
    "latency_mean_ms": "ms in the mean",
    "latency_p50_ms": "ms at p50",
    "latency_p90_ms": "ms at p90",
    "latency_p95_ms": "ms at p95",
    "latency_p99_ms": "ms at p99",
    "failed_share": "of the requests fail",
}


def metric_words(metric: Metric) -> str:
    """Return a promise's metric, to be put after its value."""
    return _METRICS[metric]


def with_unit(name: str, unit: str) -> str:
    """Return a figure's name as the head of its row; shares and counts have no unit."""
    return f"{name} {unit}".strip()


def promise_words(advice: Advice) -> str:
    """Return what the advice promises in a line; empty if it promises nothing."""
    promise = advice.promise
    if promise is None or promise.after == promise.before:
        return ""
    if promise.after is None:
        return f"what that brings is {promise.assumes}" if advice.set else ""
    return f"{promise.before:g} -> {promise.after:g} {_METRICS[promise.metric]}, if {promise.assumes}"


def busy_words(pool: Pool) -> str:
    """Name how much of the pool was in use: connections, or requests that may share them."""
    busy = "-" if pool.active_mean is None else f"{pool.active_mean:.1f}"
    if pool.active_are == "connections":
        return f"{busy} of {pool.max} connections busy"
    open_now = "" if pool.open_at_end is None else f", connections open: {pool.open_at_end} of {pool.max}"
    return f"{busy} requests under way{open_now}"


def kind_words(row: KindFigures) -> str:
    """Return what the users of one kind did: `open(200/s): 1998 requests, 199.8 a second, p99 43 ms; ...`."""
    p99 = "-" if row.latency_ms.p99 is None else f"{row.latency_ms.p99:.0f}"
    failed = f", {row.failures} failed" if row.failures else ""
    words = f"{row.kind}: {row.requests} requests{failed}, {row.rps:.1f} a second, p99 {p99} ms"
    if row.left is not None:
        words += f"; {row.left} were left before their answers were whole"
    due = row.arrivals
    if due is None:
        return words
    return f"{words}; of {due.scheduled} that were due {due.dropped} were dropped, {due.late} started late"


def executions_words(found: Executions) -> str:
    """Return whether a POST was executed more than once."""
    return f"{found.keys} POSTs with a key of their own, {found.more_than_once} of them executed more than once"


def run_names(runs: Sequence[RunDocument]) -> list[str]:
    """Return the runs' names; those that occur again with the end of the run's id."""
    names = [run_name(run.label, run.started_at, run.id) for run in runs]
    return [f"{name} {run.id[-4:]}" if names.count(name) > 1 else name for name, run in zip(names, runs, strict=True)]


def changed_words(settings: SettingsAtEnds) -> str:
    """Return the changes in one line, as `NET_RTT_MS 0 -> 80`; empty if there were none."""
    return ", ".join(f"{name} {value_text(old)} -> {value_text(new)}" for name, (old, new) in changes(settings).items())


_CONDITIONS = {
    "rtt_ms": "RTT {} ms",
    "jitter_ms": "jitter {} ms",
    "loss_pct": "{} % loss",
    "bw_down_mbit": "{} Mbit/s down",
    "bw_up_mbit": "{} Mbit/s up",
    "idle_drop_seconds": "idle drop after {} s ({idle_drop_mode})",
    "reset_pct": "{} % reset",
    "partition": "partition {} ({partition_mode})",
    "accept_delay_ms": "accept delay {} ms",
}
"""The link's own names of its conditions; as variables they are upper case, after NET_."""


def network_of(config: LinkConfig) -> Network:
    """Return the network that the link describes, as the run document keeps it."""
    return Network(
        summary=network_words(config.settings, config.configured),
        engine=config.engine,
        because=config.because,
        configured=config.configured,
        measured=config.measured,
        caveats=config.caveats,
    )


def network_words(settings: VariableValues, configured: VariableValues | None = None) -> str:
    """Return the conditions in force in a few words: the profile, and all it comes to.

    Without `configured`, the link's own account of that, they are the settings alone.
    """
    known = configured or {name.removeprefix("NET_").lower(): value for name, value in settings.items()}
    modes = {name: known.get(name) or "?" for name in ("idle_drop_mode", "partition_mode")}
    words = [
        text.format(value_text(known[name]), **modes)
        for name, text in _CONDITIONS.items()
        if known.get(name) and known[name] != "off"
    ]
    return ", ".join([str(settings.get("NET_PROFILE") or "unknown"), *words])


def engine_words(network: Network) -> str:
    """Return the engine and its own measurement; empty if nothing is emulated.

    A relay cannot delay connect(), so what is shown is a later request on a warm connection: one round trip in all.
    """
    if not network.emulated:
        return ""
    middle = measured_ms(network)
    return f"{network.engine}, {middle:.1f} ms measured" if middle is not None else str(network.engine)


def measured_ms(network: Network) -> float | None:
    """Return the round trip the link measured of itself, by the median; None if it did not."""
    return (network.measured or {}).get("warm_request_ms", {}).get("p50")


def network_line(network: Network | None, link: EmulatorStats | None) -> str | None:
    """Return the network of a run in one line; None if the link did not answer."""
    if network is None:
        return None
    words = engine_words(network)
    line = f"{network.summary}, by {words}" if words else f"{network.summary}, nothing emulated"
    late = link.lateness_ms if link else None
    if late is None or late.p50 is None or late.p99 is None:
        return line
    return f"{line}; lateness p50 {late.p50:.2f}, p99 {late.p99:.2f} ms"


def value_text(value: JsonValue) -> str:
    """Return a setting's value as a user would write it."""
    if value is None:
        return "unset"
    return f"{value:g}" if isinstance(value, float) else as_text(value)


_CHARACTERS = 160
"""A list of faults may be 4096 characters long; the run document has them all."""


def capacity_words(settings: VariableValues) -> str:
    """Return how many requests are worked on at once and how many may wait; empty if as many as come."""
    servers, places = settings.get("UPSTREAM_CAPACITY"), settings.get("UPSTREAM_QUEUE")
    if servers is None:
        return ""
    waiting = "any number may wait" if places is None else f"{places} may wait" if places else "none may wait"
    return f"{servers}, {waiting}"


def fault_words(settings: VariableValues) -> str:
    """Return the faults in force, shortened if they are many; empty if there are none."""
    faults, rate = str(settings.get("UPSTREAM_FAULT") or ""), settings.get("UPSTREAM_FAULT_RATE")
    if not faults:
        return ""
    shown = faults if len(faults) <= _CHARACTERS else f"{faults[:_CHARACTERS]} ..."
    return shown + (f", rate {rate:g} where none is given" if isinstance(rate, int | float) and rate != 1 else "")


def upstream_words(settings: VariableValues | None) -> str:
    """Return the upstream in a line; empty if it is only its latency, which needs no explanation, or silent."""
    known = settings or {}
    faults = fault_words(known)
    servers = capacity_words(known)
    more = [f"at once {servers}" if servers else "", f"faults: {faults}" if faults else ""]
    return ", ".join([str(known.get("UPSTREAM_LATENCY")), *filter(None, more)]) if any(more) else ""


_INJECTED = {"idle": "idle drop"}


def injected_words(link: EmulatorStats | None, mock: EmulatorStats | None) -> str:
    """Return which conditions and faults took effect, the most frequent first; empty if none did."""
    parts = (("link", link), ("mock", mock))
    return "; ".join(f"{name}: {kinds}" for name, part in parts if (kinds := _kinds(part)))


def _kinds(part: EmulatorStats | None) -> str:
    injected = (part.injected if part else None) or {}
    ordered = sorted(injected.items(), key=lambda kind: -kind[1])
    return ", ".join(f"{_INJECTED.get(name, name)} {count}" for name, count in ordered if count)
