"""One process at the limit of its core: the proxy's, or one that stands for the world around it."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, QUEUES, TENTH, Facts
from lab.verdict.promises import promise

_OWN = (Place.EVENT_LOOP, Place.PROXY_CPU, Place.NOT_REPORTED)


def find(facts: Facts) -> Finding | None:
    used = facts.cpu_share("proxy")
    share = facts.share(*_OWN) + (facts.share(*QUEUES) if used >= CPU_FULL else 0.0)
    if used < CPU_FULL or share < TENTH:
        return None
    workers = facts.workers + 1
    host = facts.run.host
    free = host is None or host.busy_share is None or host.cores * (1 - host.busy_share) >= 0.5
    words = (
        f"More connections don't help. Give it another process, UVICORN_WORKERS={workers} (each has its own pool), "
        "or spend less on each request: PROXY_CLIENT=pyreqwest, PROXY_SNIFFIO=present with httpx."
    )
    change: dict[str, JsonValue] = {"UVICORN_WORKERS": workers}
    if not free and facts.run.pattern is None and facts.setting("PROXY_CLIENT") != "pyreqwest":
        change = {"PROXY_CLIENT": "pyreqwest"}
    return facts.finding(
        "cpu",
        Place.PROXY_CPU,
        share,
        f"the proxy used {facts.run.cpu_cores.get('proxy') or 0:.2f} cores in {facts.workers} "
        f"process{'es' if facts.workers > 1 else ''}: there was no CPU left, and {facts.part(*_OWN, *QUEUES)} "
        "were spent on it or waiting for it",
        Advice(
            words=words,
            set=change,
            promise=promise(facts, change),
        ),
    )
