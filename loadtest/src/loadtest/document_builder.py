"""Builds the run document from what was observed. Pure: no clock, no network, no disk.

Its figures are of the steady part of the run, from the last user's start to the stop. A run too short to have one is
taken whole, from the first request sent to the last answer received. Witnesses and audit are always of the whole run.
"""

import platform
from datetime import timedelta
from importlib.metadata import version
from typing import Literal

from lab.account.attribution import Attribution
from lab.audit import audit
from lab.objective import parse_objective
from lab.pool_figures import Pool
from lab.run_document import RunDocument, Totals
from lab.run_prediction import with_outcome
from lab.verdict.judge import judge
from lab.wire.service import ServiceConfig
from lab.witnesses import Witnesses
from lab.wording import network_of
from loadtest import counter_deltas as deltas
from loadtest.account_builder import attribution_of, failures_of
from loadtest.emulator_stats import link_stats, mock_stats
from loadtest.kind_figures import arrivals_of, executions_of, kinds_of
from loadtest.observation import Observation
from loadtest.process_deltas import closings_of, host_of, workers_of
from loadtest.span import Span


def document(seen: Observation) -> RunDocument:
    """Build the run document: counts, differences of counters, audit, verdict, and what was to be expected."""
    kinds = kinds_of(seen.steady.counts, seen.steady.seconds)
    run = measured(seen).model_copy(update={"kinds": kinds})
    if (objective := parse_objective(str(seen.load_settings.get("LAB_OBJECTIVE") or ""))) is not None:
        run = run.model_copy(update={"objective": objective.outcome(run.figures)})
    settings = seen.whole.before.reported_settings(seen.load_settings)
    run = run.model_copy(update={"verdict": judge(run, settings)})
    return run.model_copy(update={"prediction": settings and with_outcome(settings, run)})


def measured(seen: Observation) -> RunDocument:
    """Build the document without what is concluded from it."""
    whole, part, witnesses = seen.whole, seen.steady, _witnesses(seen)
    generator = seen.generator.model_copy(update={"cpu_cores": part.generator_cpu_cores})
    cores = deltas.cpu_cores(part.before, part.after, generator.cpu_cores)
    ledger, slowest = deltas.ledger_of(seen.ledger, seen.run_id) if seen.ledger else (None, [])
    proxy = seen.proxy_config
    return RunDocument(
        id=seen.run_id,
        label=seen.label,
        group=seen.group,
        mode=seen.mode,
        processes=generator.processes,
        status=seen.status,
        started_at=seen.started_at,
        stopped_at=seen.started_at + timedelta(seconds=whole.seconds),
        window_seconds=round(part.seconds, 3),
        users=seen.users,
        settings=seen.settings_at_ends,
        pattern=seen.pattern,
        versions=_versions(seen),
        tuning=proxy.tuning if proxy else [],
        python=proxy.python if proxy else None,
        window=part.window,
        whole=_totals(whole, witnesses.proxy.retried if witnesses.proxy else None),
        totals=_totals(part, deltas.retries(part.before, part.after)),
        latency_ms=part.counts.latency(),
        first_byte_ms=part.counts.first_byte(),
        errors=dict(sorted(whole.counts.errors.items(), key=lambda error: -error[1])),
        failures=failures_of(whole, witnesses),
        attribution=_attribution(seen, witnesses),
        phases_ms=deltas.phases_of(part.before, part.after, slowest),
        ledger=ledger,
        pool=_pool(seen),
        closings=closings_of(part),
        host=host_of(part),
        cpu_cores=cores,
        witnesses=witnesses,
        audit=audit(witnesses),
        generator=generator,
        network=network_of(seen.link_config) if seen.link_config else None,
        link=link_stats(part, whole, cores["link"]),
        upstream=mock_stats(part, whole, cores["upstream"]),
        series=[each.model_copy(update={"part": part.window.part(each.t_seconds)}) for each in seen.series],
        notes=list(dict.fromkeys([*whole.before.notes.values(), *whole.after.notes.values()])),
    )


def _attribution(seen: Observation, witnesses: Witnesses) -> Attribution | None:
    bounded = seen.pattern is None or seen.pattern.bounded
    return attribution_of(seen.steady, witnesses, bounded=bounded, multiplexed=_is_multiplexed(seen))


def _pool(seen: Observation) -> Pool | None:
    part = seen.steady
    pool = deltas.pool_of(part.before, part.after, part.seconds)
    return pool and pool.model_copy(update={"workers": workers_of(part), "active_are": _active_are(seen)})


def _active_are(seen: Observation) -> Literal["connections", "requests"]:
    unbounded = seen.pattern is not None and not seen.pattern.bounded
    return "requests" if unbounded or _is_multiplexed(seen) else "connections"


def _is_multiplexed(seen: Observation) -> bool:
    proxy = seen.proxy_config.settings if seen.proxy_config else {}
    return bool(proxy.get("PROXY_HTTP2")) and str(proxy.get("PROXY_UPSTREAM_URL", "")).startswith("https:")


def _totals(span: Span, retries: int | None) -> Totals:
    requests, seconds = span.counts.requests, span.seconds
    rps = round(requests / seconds, 3) if seconds > 0 else 0.0
    return Totals(requests=requests, failures=span.counts.failures, rps=rps, retries=retries)


def _witnesses(seen: Observation) -> Witnesses:
    before, after, counts = seen.whole.before, seen.whole.after, seen.whole.counts
    return Witnesses(
        locust_requests=counts.requests,
        locust_failures=counts.failures,
        arrivals=arrivals_of(counts),
        executions=executions_of(seen.executions),
        proxy=deltas.proxy_witness(before, after, seen.run_id),
        upstream=deltas.upstream_witness(before, after, seen.run_id),
        proxy_connections=deltas.proxy_connections(before, after),
        upstream_connections=deltas.upstream_connections(before, after),
    )


def _versions(seen: Observation) -> dict[str, dict[str, str] | None]:
    """Return the versions of Python and libraries in each service, as of the end if it answered then."""
    before, after = seen.whole.before, seen.whole.after
    configs: dict[str, ServiceConfig | None] = {
        "proxy": after.proxy_config or before.proxy_config,
        "network": after.network_config or before.network_config,
        "upstream": after.upstream_config or before.upstream_config,
    }
    load = {"python": platform.python_version(), "locust": version("locust")}
    return {"load": load} | {name: (config.versions or None) if config else None for name, config in configs.items()}
