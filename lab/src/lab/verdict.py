"""The verdict: what limited a run, with the figures that say so. Pure: figures in, one sentence out.

The rules are asked in order and the first that applies speaks. Requests that fail say nothing of throughput; a process
without CPU makes every other figure look bad; a queue in the upstream fills the pool before it; and a pool is the
bottleneck only if requests waited for a connection while all connections were busy.
"""

from collections.abc import Callable
from typing import Literal

from lab.evidence import Evidence
from lab.late import ADVICE, NAMES, Part, late
from lab.refused import REFUSED_ADVICE, REFUSED_SHARE, only_refused, refused
from lab.run_document import Pool, Verdict
from lab.wording import injected_words

FAILING_SHARE = 0.5
"""Share of failed requests above which a run measured failures and not throughput."""

CPU_BUSY_CORES = 0.85
"""A Python process with one event loop has no more than one core; above this share of it, it is the limit."""

POOL_BUSY_SHARE = 0.90
"""Mean share of connections in use above which the pool counts as full."""

CHURN_SHARE = 0.5
"""Share of requests that opened a connection of their own above which the pool is said not to keep them."""

OUTSIDE_SHARE = 0.5
"""Share of the users' mean latency that the proxy knows of below which requests waited before it looked at them."""

WAIT_SHARE = 0.10
"""Mean share of a request's time spent waiting in a queue above which the wait counts."""

POOL_EXHAUSTED = "503 pool_exhausted"

_NAMES = {**NAMES, "proxy": "the proxy", "generator": "Locust"}
_CPU_ADVICE = {
    "proxy": "More connections will not help: set UVICORN_WORKERS=2 (each worker has a pool of its own), or send less.",
    "upstream": "The mock itself was the limit: what you see of the pool is not to be trusted. Send less.",
    "link": "The emulated network was the limit: what you see of the pool is not to be trusted. Send less.",
    "generator": "Locust itself was the limit: run it with LOCUST_PROCESSES=2, or with fewer users.",
}


def judge(seen: Evidence) -> Verdict:
    """Name what limited a run."""
    found = next(verdict for rule in RULES if (verdict := rule(seen)) is not None)
    told = found.bottleneck == "failures" or (found.advice == REFUSED_ADVICE and only_refused(seen))
    notes = [_failures(seen)] if seen.totals.failures and not told else []
    struck = injected_words(seen.link, seen.mock) if seen.totals.failures else ""
    notes += [f"struck on purpose: {struck}"] if struck else []
    notes += [] if found.advice in ADVICE.values() else _late(seen, "p99").values()
    return found.model_copy(update={"because": "; ".join([found.because, *notes])}) if notes else found


def _nothing(seen: Evidence) -> Verdict | None:
    if seen.totals.requests:
        return None
    return _verdict("none", "no request was made", "Run it with users and for longer.")


def _leaking(seen: Evidence) -> Verdict | None:
    """Before failures: who waits for a connection that never comes back fails by it."""
    if seen.pool is None or not seen.pool.leaked:
        return None
    return _verdict(
        "pool",
        f"{seen.pool.leaked} of {seen.pool.max} connections are held by requests that are over: nobody closed their "
        "answers",
        "Close every answer, also where an error or an early return leaves it: `async with client.stream(...)`, or "
        "aclose in a finally. Only a restart brings these connections back: the next ./sandbox run begins with one.",
    )


def _mostly_refused(seen: Evidence) -> Verdict | None:
    """Before CPU: users whom nobody keeps waiting ask again at once, and keep everybody busy."""
    return refused(seen, FAILING_SHARE)


def _failing(seen: Evidence) -> Verdict | None:
    if seen.totals.failures < FAILING_SHARE * seen.totals.requests or _main_error(seen) == POOL_EXHAUSTED:
        return None
    advice = "See what fails before anything else: a failed request is quick or slow for reasons of its own."
    return _verdict("failures", _failures(seen), advice)


def _cpu(seen: Evidence) -> Verdict | None:
    processes = {"proxy": seen.workers, "generator": seen.generator.processes}
    shares = [(used / processes.get(part, 1), part, used) for part, used in seen.cpu_cores.items() if used is not None]
    share, part, used = max(shares, default=(0.0, "", 0.0))
    if share < CPU_BUSY_CORES:
        return None
    count = processes.get(part, 1)
    because = f"{_NAMES.get(part, part)} used {used:.2f} cores{f' in {count} processes' if count > 1 else ''}"
    because += ": there was no CPU left"
    if seen.pool is not None and seen.pool.wait_ms.mean is not None:
        because += f"; requests waited {seen.pool_wait_ms:.0f} ms for one of {seen.pool.max} connections"
    return _verdict("cpu", because, _CPU_ADVICE.get(part, "Send less."))


def _mostly_late(seen: Evidence) -> Verdict | None:
    """More than half of what left did so late: no other figure of the run is of the network or upstream asked for."""
    return _late_verdict(_late(seen, "p50"))


def _sometimes_late(seen: Evidence) -> Verdict | None:
    """Nothing else was the limit; the slowest requests are the stand-in's own."""
    return _late_verdict(_late(seen, "p99"))


def _late(seen: Evidence, quantile: Literal["p50", "p99"]) -> dict[Part, str]:
    outside_pool_ms = (seen.latency_ms.mean or 0.0) - seen.pool_wait_ms
    found: dict[Part, str | None] = {
        "link": late("link", seen.link, seen.rtt_ms, quantile),
        "upstream": late("upstream", seen.mock, outside_pool_ms, quantile),
    }
    return {part: words for part, words in found.items() if words is not None}


def _late_verdict(parts: dict[Part, str]) -> Verdict | None:
    return next((_verdict(part, "; ".join(parts.values()), ADVICE[part]) for part in parts), None)


def _upstream(seen: Evidence) -> Verdict | None:
    if (refusing := refused(seen, REFUSED_SHARE)) is not None:
        return refusing
    queued = seen.upstream_queue_ms or 0.0
    if seen.upstream_servers is None or seen.share_of_latency(queued) < WAIT_SHARE or queued < seen.pool_wait_ms:
        return None
    return _verdict(
        "upstream",
        f"requests waited {queued:.0f} ms of {seen.latency_ms.mean:.0f} ms ({seen.share_of_latency(queued):.0%}) for "
        f"one of the upstream's {seen.upstream_servers} servers (UPSTREAM_CAPACITY)",
        "More connections only lengthen the upstream's queue: it cannot do more at once. A smaller pool waits in the "
        "proxy instead, where it can be seen and bounded.",
    )


def _pool(seen: Evidence) -> Verdict | None:
    pool = seen.pool
    if pool is None:
        return None
    full = pool.active_mean is not None and pool.active_mean >= POOL_BUSY_SHARE * pool.max
    if not pool.timeouts and not (full and seen.share_of_latency(seen.pool_wait_ms) >= WAIT_SHARE):
        return None
    because = (
        f"requests waited {seen.pool_wait_ms:.0f} ms of {seen.latency_ms.mean or 0:.0f} ms "
        f"({seen.share_of_latency(seen.pool_wait_ms):.0%}) for a connection: {pool.active_mean or 0:.1f} of {pool.max} "
        f"were busy and {pool.waiting_mean or 0:.1f} requests waited"
    )
    if pool.timeouts:
        because += f"; {pool.timeouts} gave up with a pool time-out"
    return _verdict("pool", because + _churn(seen), _pool_advice(seen, pool))


def _loop(seen: Evidence) -> Verdict | None:
    if seen.in_proxy_ms is None or seen.share_of_latency(seen.in_proxy_ms) >= OUTSIDE_SHARE or not seen.latency_ms.mean:
        return None
    return _verdict(
        "loop",
        f"users waited {seen.latency_ms.mean:.0f} ms, but only {seen.in_proxy_ms:.0f} ms of it lie between the proxy's "
        "first look at a request and its last: for the rest its event loop did not get to them",
        "Something blocks the event loop: a synchronous call in an `async def`. Await it, or use `def`.",
    )


def _free(seen: Evidence) -> Verdict:
    proxy = seen.cpu_cores.get("proxy")
    cpu = "" if proxy is None else f", the proxy used {proxy:.2f} cores"
    pool = seen.pool
    if pool is None:
        return _verdict("none", f"the proxy's pool could not be read{cpu}", "See whether the proxy answers at /-/pool.")
    return _verdict(
        "none",
        f"{pool.active_mean or 0:.1f} of {pool.max} connections were busy and requests waited {seen.pool_wait_ms:.1f} "
        f"ms for one{cpu}{_churn(seen)}",
        "The time was spent in the upstream and the network. More users would show the next limit.",
    )


RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    *(_nothing, _leaking, _mostly_refused, _failing, _cpu, _mostly_late),
    *(_upstream, _pool, _loop, _sometimes_late, _free),
)


def _verdict(
    bottleneck: Literal["pool", "cpu", "upstream", "link", "loop", "failures", "none"], because: str, advice: str
) -> Verdict:
    return Verdict(bottleneck=bottleneck, because=because, advice=advice)


def _main_error(seen: Evidence) -> str:
    return max(seen.errors, key=lambda kind: seen.errors[kind], default="")


def _failures(seen: Evidence) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(seen.errors.items(), key=lambda row: -row[1])[:3])
    return f"{seen.totals.failures} of {seen.totals.requests} requests failed{f' ({kinds})' if kinds else ''}"


def _churn(seen: Evidence) -> str:
    """Say so if connections were hardly kept: each costs a handshake, and on a real network a round trip."""
    share = (seen.pool.opened or 0) / seen.totals.requests if seen.pool else 0.0
    return f"; {min(share, 1):.0%} of the requests opened a new connection" if share >= CHURN_SHARE else ""


def _pool_advice(seen: Evidence, pool: Pool) -> str:
    """Suggest a limit: as many connections as requests were held or waiting (Little's law, L = lambda W)."""
    wanted = round((pool.active_mean or 0.0) + (pool.waiting_mean or 0.0))
    if seen.users and abs(seen.users - wanted) <= 0.15 * seen.users:
        wanted = seen.users  # a closed loop cannot use more than it has users, and nearly all of them are here
    limit = min(max(wanted, pool.max + 1), pool.max * 2)
    expected = seen.totals.succeeded_rps * limit / (pool.active_mean or pool.max)
    return (
        f"Set PROXY_MAX_CONNECTIONS={limit} (now {pool.max}) and run again: at the same upstream time that is up to "
        f"{expected:.0f} requests/s instead of {seen.totals.succeeded_rps:.0f}, while CPU lasts."
    )
