"""An upstream that cannot do more at once: what waits for it does not get quicker by more connections."""

from lab.account.places import Place
from lab.conclusion import Advice, Finding
from lab.verdict.facts import QUEUES, TENTH, Facts
from lab.verdict.headroom import upstream_is_close
from lab.verdict.rules.failures import QUEUE_FULL

REFUSED_SHARE = 0.05
"""Share of requests that found the upstream's queue full above which the upstream is the limit."""


def find(facts: Facts) -> Finding | None:
    servers = facts.setting("UPSTREAM_CAPACITY")
    refused, requests = facts.run.errors.get(QUEUE_FULL, 0), facts.whole.requests
    if refused >= REFUSED_SHARE * requests:
        because = (
            f"the upstream refused {refused} of {requests} requests ({QUEUE_FULL}): all its servers (UPSTREAM_CAPACITY="
            f"{servers}) were busy and its queue (UPSTREAM_QUEUE={facts.setting('UPSTREAM_QUEUE')}) was full"
        )
        words = "More connections only bring more refusals. A smaller pool lets requests wait in the proxy instead."
        return facts.finding("upstream", Place.UPSTREAM_QUEUE, 1.0, because, Advice(words=words))
    share = facts.caused(Place.UPSTREAM_QUEUE)
    if upstream_is_close(facts):
        share = max(share, facts.share(Place.UPSTREAM_QUEUE, *QUEUES))
    if share < TENTH or servers is None:
        return None
    because = (
        f"all {servers} servers of the upstream (UPSTREAM_CAPACITY) were busy: requests waited "
        f"{facts.part(Place.UPSTREAM_QUEUE)} for one, and {facts.ms(*QUEUES):.0f} ms in the proxy for those before them"
    )
    words = (
        "Don't add connections: they only lengthen the upstream's queue. It has to do more at once, or to be asked "
        "less; a pool no larger than that keeps the queue in the proxy, where it can be seen and bounded."
    )
    return facts.finding("upstream", Place.UPSTREAM_QUEUE, share, because, Advice(words=words))
