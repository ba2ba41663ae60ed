"""The verdict: what limited a run, with the figures that show it. Pure.

The rules are tried in order; the first that applies decides. Failed requests measure no throughput; a process without
CPU distorts every other figure; a queue in the upstream fills the pool before it; and a pool is the bottleneck only if
requests waited for a connection while all connections were busy.
"""

from collections.abc import Callable

from lab.evidence import QUEUE_FULL, Emulator, Evidence, Quantile
from lab.run_document import Bottleneck, Pool, Verdict
from lab.wording import injected_words

FAILING_SHARE = 0.5
"""Share of failed requests above which a run measured failures and not throughput."""

CPU_BUSY_CORES = 0.85
"""A Python process with one event loop has no more than one core; above this share of it, it is the limit."""

POOL_BUSY_SHARE = 0.90
"""Mean share of connections in use above which the pool counts as full."""

CHURN_SHARE = 0.5
"""Share of requests that opened a connection of their own above which the verdict mentions it."""

OUTSIDE_SHARE = 0.5
"""Share of the users' mean latency that the proxy knows of below which requests waited before it looked at them."""

WAIT_SHARE = 0.10
"""Mean share of a request's time spent waiting in a queue above which the wait counts."""

POOL_EXHAUSTED = "503 pool_exhausted"

REFUSED_SHARE = 0.05
"""Share of requests that found the upstream's queue full above which the upstream is the limit."""

_NAMES = {"link": "the link", "upstream": "the mock upstream", "proxy": "the proxy", "generator": "Locust"}
_CPU_ADVICE = {
    "proxy": "More connections will not help: set UVICORN_WORKERS=2 (each worker has a pool of its own), or send less.",
    "upstream": "The mock itself was the limit: what you see of the pool is not to be trusted. Send less.",
    "link": "The emulated network was the limit: what you see of the pool is not to be trusted. Send less.",
    "generator": "Locust itself was the limit: run it with LOCUST_PROCESSES=2, or with fewer users.",
}
_LATE_ADVICE: dict[Emulator, str] = {
    "link": "The emulated network lagged behind: times are longer than it is set to. Send less, or give it a core.",
    "upstream": "The mock lagged behind its own latency: times are longer than set. Send less, or give it a core.",
}
_REFUSED_ADVICE = (
    "More connections only bring more refusals. A smaller pool lets requests wait in the proxy instead, where they are "
    "not refused."
)


def judge(seen: Evidence) -> Verdict:
    found = next(verdict for rule in RULES if (verdict := rule(seen)) is not None)
    notes = [found.because]
    only_refused = found.advice == _REFUSED_ADVICE and seen.totals.failures == seen.refused
    if seen.totals.failures and found.bottleneck != "failures" and not only_refused:
        notes.append(_failures(seen))
    if seen.totals.failures and (injected := injected_words(seen.link, seen.mock)):
        notes.append(f"injected on purpose: {injected}")
    if found.advice not in _LATE_ADVICE.values():
        notes += _late(seen, "p99").values()
    return found.model_copy(update={"because": "; ".join(notes)})


def _nothing(seen: Evidence) -> Verdict | None:
    if seen.totals.requests:
        return None
    return _verdict("none", "no request was made", "Run it with users and for longer.")


def _leaking(seen: Evidence) -> Verdict | None:
    """Checked before failures, because leaked connections cause pool time-outs."""
    if seen.pool is None or not seen.pool.leaked:
        return None
    return _verdict(
        "pool",
        f"{seen.pool.leaked} of {seen.pool.max} connections are held by requests that are over: their "
        "responses were never closed",
        "Close every response, also where an error or an early return leaves it: `async with client.stream(...)`, or "
        "aclose in a finally. Only a restart brings these connections back: the next ./sandbox run begins with one.",
    )


def _mostly_refused(seen: Evidence) -> Verdict | None:
    """Checked before CPU: users that are refused at once ask again at once, which keeps every process busy."""
    return _refused(seen, FAILING_SHARE)


def _refused(seen: Evidence, share: float) -> Verdict | None:
    if not seen.refused or seen.refused < share * seen.totals.requests:
        return None
    limits = {"UPSTREAM_CAPACITY": seen.upstream_servers, "UPSTREAM_QUEUE": seen.upstream_places}
    servers, places = (name if value is None else f"{name}={value}" for name, value in limits.items())
    because = (
        f"the upstream refused {seen.refused} of {seen.totals.requests} requests ({QUEUE_FULL}): all its servers "
        f"({servers}) were busy and its queue ({places}) was full"
    )
    return _verdict("upstream", because, _REFUSED_ADVICE)


def _failing(seen: Evidence) -> Verdict | None:
    if seen.totals.failures < FAILING_SHARE * seen.totals.requests or seen.main_error == POOL_EXHAUSTED:
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
    """More than half of the events left late: then no other figure is of the network or upstream that was set."""
    return _late_verdict(_late(seen, "p50"))


def _sometimes_late(seen: Evidence) -> Verdict | None:
    """Checked last but one: without another limit, the emulator itself made the slowest requests."""
    return _late_verdict(_late(seen, "p99"))


def _late(seen: Evidence, quantile: Quantile) -> dict[Emulator, str]:
    found = {emulator: seen.lateness(emulator, quantile) for emulator in _LATE_ADVICE}
    return {
        emulator: f"{_NAMES[emulator]} was late: {quantile} {late[0]:.1f} ms, where {late[1]:.1f} ms would do"
        for emulator, late in found.items()
        if late is not None
    }


def _late_verdict(emulators: dict[Emulator, str]) -> Verdict | None:
    return next((_verdict(one, "; ".join(emulators.values()), _LATE_ADVICE[one]) for one in emulators), None)


def _upstream(seen: Evidence) -> Verdict | None:
    if (refused := _refused(seen, REFUSED_SHARE)) is not None:
        return refused
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


def _verdict(bottleneck: Bottleneck, because: str, advice: str) -> Verdict:
    return Verdict(bottleneck=bottleneck, because=because, advice=advice)


def _failures(seen: Evidence) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(seen.errors.items(), key=lambda row: -row[1])[:3])
    return f"{seen.totals.failures} of {seen.totals.requests} requests failed{f' ({kinds})' if kinds else ''}"


def _churn(seen: Evidence) -> str:
    """Mention it if connections were hardly kept: each costs a handshake, and on a real network a round trip."""
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
