"""One process at the limit of its core: the proxy's, or one that stands for the world around it."""

from pydantic import JsonValue

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, QUEUES, TENTH, Facts
from lab.verdict.promises import promise

_OWN = (Place.EVENT_LOOP, Place.PROXY_CPU, Place.NOT_REPORTED)

_SPEND_LESS = "spend less on each request: PROXY_SNIFFIO=present with httpx, or PROXY_CLIENT=pyreqwest"
_WORDS = (
    f"More connections don't help. Give it more processes, each with its own pool: UVICORN_WORKERS. Or {_SPEND_LESS}."
)
_LIMITED = f"Raise the limit of its container (`cpus` in Compose, limits.cpu in Kubernetes), or {_SPEND_LESS}."


def find(facts: Facts) -> Finding | None:
    held_back = facts.held_back("proxy") >= TENTH
    full = facts.cpu_share("proxy") >= CPU_FULL or held_back
    share = facts.share(*_OWN, *QUEUES)
    if not full or share < TENTH:
        return None
    change = _change(facts, limited=held_back)
    return facts.finding(
        "cpu",
        Place.PROXY_CPU,
        share,
        f"{_limit(facts) if held_back else _all_used(facts)}, and {facts.part(*_OWN, *QUEUES)} were spent on it or "
        "waiting for it",
        Advice(
            words=_LIMITED if held_back else _WORDS,
            set=change,
            promise=promise(facts, change) if change else None,
        ),
    )


def _all_used(facts: Facts) -> str:
    return (
        f"the proxy used {facts.run.cpu_cores.get('proxy') or 0:.2f} cores in {facts.workers} "
        f"process{'es' if facts.workers > 1 else ''}: there was no CPU left"
    )


def _limit(facts: Facts) -> str:
    return (
        f"a CPU limit held the proxy back for {facts.held_back('proxy'):.0%} of the time (cgroup), with "
        f"{facts.run.cpu_cores.get('proxy') or 0:.2f} cores used"
    )


def _change(facts: Facts, *, limited: bool) -> dict[str, JsonValue]:
    """Return the smallest change that spares CPU, or adds some where the machine has more."""
    host, pattern, python = facts.run.host, facts.run.pattern, facts.run.python
    httpx = facts.setting("PROXY_CLIENT") == "httpx" if pattern is None else not pattern.in_threads
    if httpx and python is not None and python.sniffio == "absent":
        return {"PROXY_SNIFFIO": "present"}
    free = not limited and (host is None or host.busy_share is None or host.cores * (1 - host.busy_share) >= 0.5)
    if not free and pattern is None and facts.setting("PROXY_CLIENT") != "pyreqwest":
        return {"PROXY_CLIENT": "pyreqwest"}
    return {} if limited else {"UVICORN_WORKERS": facts.workers + 1}
