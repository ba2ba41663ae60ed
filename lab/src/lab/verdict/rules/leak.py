"""Connections that are held by requests that are over."""

from lab.conclusion import Advice, Finding
from lab.verdict.facts import Facts


def find(facts: Facts) -> Finding | None:
    pool = facts.run.pool
    if pool is None or not pool.leaked:
        return None
    return Finding(
        bottleneck="leak",
        place=None,
        owner="proxy",
        share=round(pool.leaked / pool.max, 4),
        because=f"{pool.leaked} of {pool.max} connections are held by requests that are over: their responses were "
        "never closed",
        advice=Advice(
            words="Close every response, also where an error or an early return leaves it: `async with "
            "client.stream(...)`, or aclose in a finally. Only a restart brings these connections back: the next "
            "./sandbox run begins with one."
        ),
    )
