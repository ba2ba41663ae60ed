"""An upstream that refuses: it had neither a server nor a place in line for a request. Pure."""

from lab.evidence import Evidence
from lab.run_document import Verdict

QUEUE_FULL = "503 upstream queue_full"
"""What the mock's refusals are counted as: the proxy passes them on as the upstream's own answers."""

REFUSED_SHARE = 0.05
"""Share of requests that found the upstream's queue full from which it is the limit."""

REFUSED_ADVICE = (
    "More connections only bring more refusals. A smaller pool lets requests wait in the proxy instead, where they are "
    "not refused."
)


def refused(seen: Evidence, share: float) -> Verdict | None:
    """Name the upstream as the limit if it refused that share of the requests, and at least one."""
    count = seen.errors.get(QUEUE_FULL, 0)
    if not count or count < share * seen.totals.requests:
        return None
    servers, places = (
        variable if number is None else f"{variable}={number}"
        for variable, number in (
            ("UPSTREAM_CAPACITY", seen.upstream_servers),
            ("UPSTREAM_QUEUE", seen.upstream_places),
        )
    )
    because = (
        f"the upstream refused {count} of {seen.totals.requests} requests ({QUEUE_FULL}): all its servers ({servers}) "
        f"were busy and all places in line ({places}) taken"
    )
    return Verdict(bottleneck="upstream", because=because, advice=REFUSED_ADVICE)


def only_refused(seen: Evidence) -> bool:
    """Return whether nothing failed but by a refusal."""
    return seen.totals.failures == seen.errors.get(QUEUE_FULL, 0)
