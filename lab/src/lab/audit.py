"""The audit of a run: the counts of Locust, proxy and upstream are compared with one another. Pure.

A request or a connection that only one of them counted is named, not averaged away.
"""

from lab.witnesses import Audit, AuditCheck, ConnectionWitness, ProxyWitness, Witnesses

RECEIVED = "Locust sent = proxy received"
STARTED = "upstream started = tries that sent a head - lost on the way"
COMPLETED = "proxy answered = upstream completed"
"""The equations between one witness's count of the requests and the next one's."""


def audit(witnesses: Witnesses) -> Audit:
    """Check every equation that the witnesses allow; `agreed` only if all hold and no witness is missing."""
    checks = [*_arrivals(witnesses), *_requests(witnesses), *_connections(witnesses)]
    required = {"proxy": witnesses.proxy, "upstream": witnesses.upstream}
    missing = [name for name, witness in required.items() if witness is None]
    return Audit(agreed=not missing and all(check.difference == 0 for check in checks), checks=checks, missing=missing)


def audit_words(found: Audit) -> str:
    """Return in one line whether Locust, the proxy and the upstream counted the same."""
    missing = f"no answer from: {', '.join(found.missing)}" if found.missing else ""
    wrong = [check.message for check in found.checks if check.difference]
    if wrong:
        return "; ".join([f"does not add up: {wrong[0]}", *wrong[1:], *([missing] if missing else [])])
    if missing:
        return f"incomplete, {missing}"
    return f"every request and connection is accounted for ({len(found.checks)} checks)"


def _check(name: str, left: int, right: int, when_more: str, when_fewer: str, terms: str = "") -> AuditCheck:
    """Compare the two sides; `terms` shows what the right one is made of."""
    difference = left - right
    words = f"{left} = {terms or right}" if difference == 0 else when_more if difference > 0 else when_fewer
    return AuditCheck(name=name, left=left, right=right, difference=difference, message=words.format(n=abs(difference)))


def _arrivals(witnesses: Witnesses) -> list[AuditCheck]:
    found = witnesses.arrivals
    if found is None:
        return []
    return [
        _check(
            "arrivals scheduled = started + dropped",
            found.scheduled,
            found.started + found.dropped,
            "{n} arrivals were neither started nor counted as dropped",
            "{n} arrivals were started or dropped that were not scheduled",
            f"{found.started} + {found.dropped}",
        )
    ]


def _requests(witnesses: Witnesses) -> list[AuditCheck]:
    checks = []
    proxy, upstream = witnesses.proxy, witnesses.upstream
    if proxy is not None:
        checks.append(
            _check(
                RECEIVED,
                witnesses.locust_requests,
                proxy.received,
                "{n} requests that Locust counted never reached the proxy",
                "the proxy received {n} requests that Locust did not count (re-sent, or cut off at the end)",
            )
        )
        checks.append(
            _check(
                "proxy received = answered + failed + aborted",
                proxy.received,
                proxy.answered + proxy.failed + proxy.aborted,
                "{n} requests are still in the proxy, or left it uncounted",
                "the proxy counted {n} outcomes more than requests",
            )
        )
    if upstream is not None:
        checks.append(
            _check(
                "upstream started = completed + abandoned",
                upstream.started,
                upstream.completed + upstream.abandoned,
                "{n} requests are still in the upstream",
                "the upstream counted {n} outcomes more than requests",
            )
        )
    if proxy is not None and proxy.tries is not None:
        checks.append(_tries(proxy, proxy.tries))
    if proxy is not None and upstream is not None:
        if proxy.sent is not None and proxy.responded is not None:
            checks.append(_heads(proxy.sent, proxy.responded, upstream.started))
        checks.append(_answers(proxy.answered, _unanswered(proxy), upstream.completed))
    return checks


def _unanswered(proxy: ProxyWitness) -> int:
    """Return how many tries came to no answer that was delivered, those that another try followed included."""
    return proxy.failed + proxy.aborted + (proxy.retried or 0)


def _tries(proxy: ProxyWitness, tries: int) -> AuditCheck:
    untried, retried = proxy.untried or 0, proxy.retried or 0
    return _check(
        "proxy's tries = received - refused before a try + retried",
        tries,
        proxy.received - untried + retried,
        "the proxy tried {n} times more than its requests and retries account for",
        "{n} requests or retries of the proxy were never tried",
        f"{proxy.received} - {untried} + {retried}",
    )


def _heads(sent: int, responded: int, started: int) -> AuditCheck:
    """Check that the upstream started each try whose head the proxy sent.

    A head may be lost with its connection, but none that was responded to.
    """
    lost = min(max(sent - started, 0), sent - responded)
    return _check(
        STARTED,
        started,
        sent - lost,
        "the upstream started {n} requests more than the proxy sent",
        "{n} requests that were responded to were never started by the upstream",
        f"{sent} - {lost}",
    )


def _answers(answered: int, unanswered: int, completed: int) -> AuditCheck:
    """Check that each answer the proxy delivered was completed upstream.

    An upstream answer may be written out in full and still be lost on the way, so up to `unanswered` completed
    requests more than answers are explained by the proxy's own failures, aborts and retries.
    """
    explained = min(max(completed - answered, 0), unanswered)
    return _check(
        COMPLETED,
        answered,
        completed - explained,
        "{n} answers of the proxy were never completed by the upstream",
        "the upstream completed {n} requests that the proxy did not answer",
    )


def _connections(witnesses: Witnesses) -> list[AuditCheck]:
    checks = []
    for name, end in (("proxy", witnesses.proxy_connections), ("upstream", witnesses.upstream_connections)):
        if end is not None:
            checks.append(_conserved(name, end))
    proxy, upstream = witnesses.proxy_connections, witnesses.upstream_connections
    if proxy is not None and upstream is not None:
        # A connection whose request was aborted before it was sent carried none, and the upstream does not count it.
        aborted = _unanswered(witnesses.proxy) if witnesses.proxy else 0
        unused = min(max(proxy.opened - upstream.opened, 0), aborted)
        checks.append(
            _check(
                "proxy opened = upstream accepted",
                proxy.opened - unused,
                upstream.opened,
                "{n} connections of the proxy were never accepted by the upstream",
                "the upstream accepted {n} connections that the proxy's pool did not open",
            )
        )
    return checks


def _conserved(name: str, end: ConnectionWitness) -> AuditCheck:
    return _check(
        f"{name}: opened = closed + open",
        end.open_at_start + end.opened,
        end.closed + end.open_at_end,
        "{n} connections were neither closed nor are they open: leaked",
        "{n} connections were closed or are open that were never opened",
    )
