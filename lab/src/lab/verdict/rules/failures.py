"""Requests that failed: they measure no throughput, and are quick or slow for reasons of their own."""

from pydantic import JsonValue

from lab.account.failures import FailureCount
from lab.account.places import Owner, Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import TENTH, Facts
from lab.verdict.promises import without_failures
from lab.verdict.timeouts import kept_too_long, pool_beyond_total

FAILING_SHARE = 0.5
"""Share of failed requests above which a run measured failures and nothing else."""

POOL_EXHAUSTED = "503 pool_exhausted"
QUEUE_FULL = "503 upstream queue_full"
"""Failures that come of waiting for too long or in vain: rules of their own find them."""

TOTAL_TIMEOUT = "504 total_timeout"
"""Is one of them where the pool's own time-out is not shorter."""

_CLOSED = ("upstream_closed", "upstream_reset")

_ADVICE = {
    "proxy": "It is a limit of the proxy's own process: raise the one that is named, or send less.",
    "client_library": "The client library gave it up. Try another one: PROXY_CLIENT=pyreqwest, and compare.",
    "network": "The network broke it, and has to be mended: PROXY_RETRIES=1 sends again what may be sent twice, "
    "and hides a few failures, not most.",
    "upstream": "The upstream answered so. See UPSTREAM_FAULT and UPSTREAM_ERROR_RATE, or its own log.",
    "load": "The users left or sent what cannot be answered: nothing in the proxy mends it.",
    "machine": "The machine had no room for it: send less, or give it more.",
}

_ADVICE_BY_CODE = {
    "proxy_descriptors": "Each connection, on either side, takes a descriptor. Raise `ulimit -n` in the shell that "
    "starts the proxy (in Compose: ulimits, nofile), or let fewer be open.",
    "proxy_threads": "Raise the limit of processes (`ulimit -u`, in Compose pids_limit) or of memory, or let fewer "
    "threads run: PROXY_THREAD_TOKENS.",
    "proxy_ports": "Each connection that was closed keeps its local port for a minute (TIME_WAIT). Keep connections "
    "open (PROXY_MAX_KEEPALIVE_CONNECTIONS), or widen net.ipv4.ip_local_port_range.",
    "locust_descriptors": "Each user has a connection, and each connection takes a descriptor. Raise `ulimit -n` in "
    "the shell that starts Locust, or run fewer users.",
    "locust_ports": "Each connection that was closed keeps its local port for a minute (TIME_WAIT). Run fewer users, "
    "or widen net.ipv4.ip_local_port_range.",
    "proxy_memory": "Give the proxy's machine or container more memory, or send less.",
}

_GONE = "The proxy no longer answered when the run ended: it may have died. See its log (`docker compose logs proxy`)."


def find(facts: Facts) -> Finding | None:
    run, whole = facts.run, facts.whole
    waited = _of_waiting(facts)
    kinds = [failure for failure in run.failures if failure.kind not in waited]
    count = whole.failures - sum(run.errors.get(kind, 0) for kind in waited)
    if not whole.requests or count < FAILING_SHARE * whole.requests:
        return None
    words = ", ".join(f"{failure.kind} {failure.count}" for failure in kinds[:3])
    worst = max(kinds, key=lambda failure: failure.count, default=None)
    owner = worst.owner if worst else "upstream"
    because = f"{count} of {whole.requests} requests failed" + (f" ({words})" if words else "")
    if worst and worst.meaning:
        because += f": {worst.meaning}" + _of_how_many(facts, worst)
    return Finding(
        bottleneck="failures",
        owner=owner,
        share=round(count / whole.requests, 4),
        because=because,
        advice=_advice(facts, _code(worst), owner),
    )


def _of_waiting(facts: Facts) -> tuple[str, ...]:
    """Return the kinds of failures that come of waiting."""
    kinds = (POOL_EXHAUSTED, QUEUE_FULL)
    in_pool = facts.share(Place.POOL_WAIT) >= TENTH and pool_beyond_total(facts) is not None
    return (*kinds, TOTAL_TIMEOUT) if in_pool else kinds


def _advice(facts: Facts, code: str, owner: Owner) -> Advice:
    words, change = _ADVICE_BY_CODE.get(code, _ADVICE[owner]), _change(facts, code, owner)
    if owner == "proxy" and code not in _ADVICE_BY_CODE and _is_gone(facts):
        words = _GONE
    caveat = kept_too_long(facts) if code in _CLOSED else None
    if caveat is not None and caveat.advice is not None:
        words, change = caveat.advice.words, caveat.advice.set
    return Advice(words=words, set=change, promise=without_failures(facts, code) if change else None)


def _is_gone(facts: Facts) -> bool:
    """Whether the proxy answered when the run began, and no longer when it ended."""
    settings = facts.run.settings
    return settings.start.proxy is not None and settings.end.proxy is None


def _change(facts: Facts, code: str, owner: Owner) -> dict[str, JsonValue]:
    """Return what to set, where a variable makes fewer requests fail."""
    if code == "server_overloaded":  # uvicorn counts connections, and each user has one
        return {"UVICORN_LIMIT_CONCURRENCY": 2 * facts.at_once}
    if owner == "client_library" and facts.run.pattern is None and facts.setting("PROXY_CLIENT") != "pyreqwest":
        return {"PROXY_CLIENT": "pyreqwest"}
    return {}


def _code(failure: FailureCount | None) -> str:
    return failure.kind.rpartition(" ")[2] if failure is not None else ""


def _of_how_many(facts: Facts, failure: FailureCount) -> str:
    """Return how many descriptors there are, where they were what was lacking."""
    host = facts.run.host
    found = host.descriptors.get("proxy") if host is not None and _code(failure) == "proxy_descriptors" else None
    return f", of {found[1]} that it may have" if found else ""
