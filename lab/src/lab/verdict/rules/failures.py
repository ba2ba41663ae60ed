"""Requests that failed: they measure no throughput, and are quick or slow for reasons of their own."""

from lab.conclusion import Advice, Finding
from lab.verdict.facts import Facts

FAILING_SHARE = 0.5
"""Share of failed requests above which a run measured failures and nothing else."""

POOL_EXHAUSTED = "503 pool_exhausted"
QUEUE_FULL = "503 upstream queue_full"
"""Failures that come of waiting for too long or in vain: rules of their own find them."""

_ADVICE = {
    "proxy": "It is a limit of the proxy's own process: raise the one that is named, or send less.",
    "client_library": "The client library gave it up. Try another one: PROXY_CLIENT=pyreqwest, and compare.",
    "network": "The network broke it. Requests that may be sent twice can be: PROXY_RETRIES=1.",
    "upstream": "The upstream answered so. See UPSTREAM_FAULT and UPSTREAM_ERROR_RATE, or its own log.",
    "load": "The users left or sent what cannot be answered: nothing in the proxy mends it.",
    "machine": "The machine had no room for it: send less, or give it more.",
}


def find(facts: Facts) -> Finding | None:
    run, whole = facts.run, facts.whole
    kinds = [failure for failure in run.failures if failure.kind not in (POOL_EXHAUSTED, QUEUE_FULL)]
    count = whole.failures - sum(run.errors.get(kind, 0) for kind in (POOL_EXHAUSTED, QUEUE_FULL))
    if not whole.requests or count < FAILING_SHARE * whole.requests:
        return None
    words = ", ".join(f"{failure.kind} {failure.count}" for failure in kinds[:3])
    worst = max(kinds, key=lambda failure: failure.count, default=None)
    owner = worst.owner if worst else "upstream"
    because = f"{count} of {whole.requests} requests failed" + (f" ({words})" if words else "")
    if worst and worst.meaning:
        because += f": {worst.meaning}"
    return Finding(
        bottleneck="failures",
        owner=owner,
        share=round(count / whole.requests, 4),
        because=because,
        advice=Advice(words=_ADVICE[owner]),
    )
