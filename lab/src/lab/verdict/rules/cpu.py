"""One process at the limit of its core: the proxy's, or one that stands for the world around it."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, QUEUES, TENTH, Facts
from lab.verdict.promises import promise

_OWN = (Place.EVENT_LOOP, Place.PROXY_CPU, Place.NOT_REPORTED)

_WORDS = (
    "More connections don't help. Spend less on each request: PROXY_SNIFFIO=present with httpx, or "
    "PROXY_CLIENT=pyreqwest. Or give it more processes, each with a pool of its own: UVICORN_WORKERS."
)


def find(facts: Facts) -> Finding | None:
    used = facts.cpu_share("proxy")
    share = facts.share(*_OWN) + (facts.share(*QUEUES) if used >= CPU_FULL else 0.0)
    if used < CPU_FULL or share < TENTH:
        return None
    change = _change(facts)
    return facts.finding(
        "cpu",
        Place.PROXY_CPU,
        share,
        f"the proxy used {facts.run.cpu_cores.get('proxy') or 0:.2f} cores in {facts.workers} "
        f"process{'es' if facts.workers > 1 else ''}: there was no CPU left, and {facts.part(*_OWN, *QUEUES)} "
        "were spent on it or waiting for it",
        Advice(
            words=_WORDS,
            set=change,
            promise=promise(facts, change),
        ),
    )


def _change(facts: Facts) -> dict[str, JsonValue]:
    """Return the smallest change that spares CPU, or adds some where the machine has more."""
    host, pattern, python = facts.run.host, facts.run.pattern, facts.run.python
    httpx = facts.setting("PROXY_CLIENT") == "httpx" if pattern is None else not pattern.in_threads
    if httpx and python is not None and python.sniffio == "absent":
        return {"PROXY_SNIFFIO": "present"}
    free = host is None or host.busy_share is None or host.cores * (1 - host.busy_share) >= 0.5
    if not free and pattern is None and facts.setting("PROXY_CLIENT") != "pyreqwest":
        return {"PROXY_CLIENT": "pyreqwest"}
    return {"UVICORN_WORKERS": facts.workers + 1}
