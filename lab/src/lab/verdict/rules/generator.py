"""Locust at the limit of its core: it sends less than its users would, and times what it waited for itself."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import CPU_FULL, TENTH, Facts
from lab.verdict.promises import promise


def find(facts: Facts) -> Finding | None:
    used, share = facts.cpu_share("generator"), facts.share(Place.CALLER_SIDE)
    if used < CPU_FULL or share < TENTH:
        return None
    processes = facts.run.generator.processes
    return facts.finding(
        "generator",
        Place.CALLER_SIDE,
        share,
        f"Locust used {facts.run.cpu_cores.get('generator') or 0:.2f} cores in {processes} "
        f"process{'es' if processes > 1 else ''}, and {facts.part(Place.CALLER_SIDE)} were spent on its side",
        Advice(
            words=f"Run it with LOCUST_PROCESSES={processes + 1}, or with fewer users.",
            set={"LOCUST_PROCESSES": processes + 1},
            promise=promise(facts, {"LOCUST_PROCESSES": processes + 1}),
        ),
    )
