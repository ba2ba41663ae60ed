"""The verdict: what limited a run, with the figures that say so. Pure: figures in, one sentence out.

The order matters. A process without CPU left makes every other figure look bad, so CPU is asked first; a pool
is the bottleneck only if requests waited for a connection while all connections were busy.
"""

from collections.abc import Mapping

from lab.run_document import Generator, LatencyMs, Pool, Totals, Verdict

CPU_BUSY_CORES = 0.85
"""A Python process with one event loop has no more than one core; above this share of it, it is the limit."""

POOL_BUSY_SHARE = 0.90
"""Mean share of connections in use above which the pool counts as full."""

CHURN_SHARE = 0.5
"""Share of requests that opened a connection of their own above which the pool is said not to keep them."""

OUTSIDE_SHARE = 0.5
"""Share of the users' mean latency that the proxy knows of below which requests waited before it looked at them."""

WAIT_SHARE = 0.10
"""Mean share of a request's time spent waiting for a connection above which the wait counts."""

_NAMES = {"proxy": "the proxy", "upstream": "the mock upstream", "link": "the link", "generator": "Locust"}
_CPU_ADVICE = {
    "proxy": "More connections will not help: set UVICORN_WORKERS=2 (each worker has a pool of its own), or send less.",
    "upstream": "The mock itself was the limit: what you see of the pool is not to be trusted. Send less.",
    "link": "The emulated network was the limit: what you see of the pool is not to be trusted. Send less.",
    "generator": "Locust itself was the limit: run it with LOCUST_PROCESSES=2, or with fewer users.",
}


def judge(
    *,
    totals: Totals,
    latency_ms: LatencyMs,
    pool: Pool | None,
    cpu_cores: Mapping[str, float | None],
    generator: Generator,
    workers: int = 1,
    in_proxy_ms: float | None = None,
) -> Verdict:
    """Name the bottleneck: a process at its CPU limit, the pool, a blocked event loop, or none.

    `in_proxy_ms` is the mean time from a request's first step in the proxy to its last.
    `cpu_cores` maps proxy, upstream, link and generator to mean cores used; `workers` are the proxy's processes.
    """
    if totals.requests == 0:
        return Verdict(bottleneck="none", because="no request was made", advice="Run it with users and for longer.")
    busiest = _cpu_bound(cpu_cores, {"proxy": workers, "generator": generator.processes})
    if busiest is not None:
        return _cpu_verdict(*busiest, pool)
    if pool is not None and _pool_bound(pool, latency_ms):
        return _pool_verdict(pool, latency_ms, totals)
    if in_proxy_ms is not None and latency_ms.mean and in_proxy_ms < OUTSIDE_SHARE * latency_ms.mean:
        return _loop_verdict(in_proxy_ms, latency_ms.mean)
    return _free_verdict(pool, totals, cpu_cores)


def _cpu_bound(cpu_cores: Mapping[str, float | None], processes: Mapping[str, int]) -> tuple[str, float, int] | None:
    """Return (part, cores, processes) of the part nearest its CPU limit if it is there."""
    shares = [(cores / processes.get(part, 1), part, cores) for part, cores in cpu_cores.items() if cores is not None]
    share, part, cores = max(shares, default=(0.0, "", 0.0))
    return (part, cores, processes.get(part, 1)) if share >= CPU_BUSY_CORES else None


def _pool_bound(pool: Pool, latency_ms: LatencyMs) -> bool:
    waited = pool.wait_ms.mean or 0.0
    share = waited / latency_ms.mean if latency_ms.mean else 0.0
    full = pool.active_mean is not None and pool.active_mean >= POOL_BUSY_SHARE * pool.max
    return pool.timeouts > 0 or (full and share >= WAIT_SHARE)


def _cpu_verdict(part: str, cores: float, processes: int, pool: Pool | None) -> Verdict:
    count = "" if processes == 1 else f" in {processes} processes"
    because = f"{_NAMES.get(part, part)} used {cores:.2f} cores{count}: there was no CPU left"
    if pool is not None and pool.wait_ms.mean is not None:
        because += f"; requests waited {pool.wait_ms.mean:.0f} ms for one of {pool.max} connections"
    return Verdict(bottleneck="cpu", because=because, advice=_CPU_ADVICE.get(part, "Send less."))


def _pool_verdict(pool: Pool, latency_ms: LatencyMs, totals: Totals) -> Verdict:
    waited = pool.wait_ms.mean or 0.0
    share = waited / latency_ms.mean if latency_ms.mean else 0.0
    because = (
        f"requests waited {waited:.0f} ms of {latency_ms.mean or 0:.0f} ms ({share:.0%}) for a connection: "
        f"{pool.active_mean or 0:.1f} of {pool.max} were busy and {pool.waiting_mean or 0:.1f} requests waited"
    )
    if pool.timeouts:
        because += f"; {pool.timeouts} gave up with a pool time-out"
    because += _churn(pool, totals)
    return Verdict(bottleneck="pool", because=because, advice=_pool_advice(pool, totals))


def _churn(pool: Pool, totals: Totals) -> str:
    """Say so if connections were hardly kept: each costs a handshake, and on a real network a round trip."""
    share = (pool.opened or 0) / totals.requests
    if share < CHURN_SHARE:
        return ""
    return f"; {min(share, 1):.0%} of the requests opened a new connection"


def _pool_advice(pool: Pool, totals: Totals) -> str:
    """Suggest a limit: as many connections as requests were held or waiting (Little's law, L = lambda W)."""
    wanted = round((pool.active_mean or 0.0) + (pool.waiting_mean or 0.0))
    limit = min(max(wanted, pool.max + 1), pool.max * 2)
    return (
        f"Set PROXY_MAX_CONNECTIONS={limit} (now {pool.max}) and run again: at the same upstream time that is up to "
        f"{totals.rps * limit / pool.max:.0f} requests/s instead of {totals.rps:.0f}, while CPU lasts."
    )


def _loop_verdict(in_proxy_ms: float, latency_ms: float) -> Verdict:
    return Verdict(
        bottleneck="loop",
        because=(
            f"users waited {latency_ms:.0f} ms, but only {in_proxy_ms:.0f} ms of it lie between the proxy's first look at a "
            "request and its last: for the rest its event loop did not get to them"
        ),
        advice="Something blocks the event loop: a synchronous call in an `async def`. Await it, or use `def`.",
    )


def _free_verdict(pool: Pool | None, totals: Totals, cpu_cores: Mapping[str, float | None]) -> Verdict:
    proxy = cpu_cores.get("proxy")
    cpu = "" if proxy is None else f", the proxy used {proxy:.2f} cores"
    if pool is None:
        return Verdict(
            bottleneck="none",
            because=f"the proxy's pool could not be read{cpu}",
            advice="See whether the proxy answers at /-/pool.",
        )
    return Verdict(
        bottleneck="none",
        because=(
            f"{pool.active_mean or 0:.1f} of {pool.max} connections were busy and requests waited "
            f"{pool.wait_ms.mean or 0:.1f} ms for one{cpu}{_churn(pool, totals)}"
        ),
        advice="The time was spent in the upstream and the network. More users would show the next limit.",
    )
