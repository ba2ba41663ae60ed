"""The audit of a run: the counts of Locust, proxy and upstream are compared with one another. Pure.

A request or a connection that only one of them counted is named, not averaged away.
"""

from lab.witnesses import Audit, AuditCheck, ConnectionWitness, ProxyWitness, Witnesses


def audit(witnesses: Witnesses) -> Audit:
    """Check every equation that the witnesses allow; `agreed` only if all hold and no witness is missing."""
    checks = [*_requests(witnesses), *_connections(witnesses)]
    required = {"proxy": witnesses.proxy, "upstream": witnesses.upstream}
    missing = [name for name, witness in required.items() if witness is None]
    return Audit(agreed=not missing and all(check.difference == 0 for check in checks), checks=checks, missing=missing)


def _check(name: str, left: int, right: int, when_more: str, when_fewer: str) -> AuditCheck:
    difference = left - right
    words = f"{left} = {right}" if difference == 0 else when_more if difference > 0 else when_fewer
    return AuditCheck(name=name, left=left, right=right, difference=difference, message=words.format(n=abs(difference)))


def _requests(witnesses: Witnesses) -> list[AuditCheck]:
    checks = []
    proxy, upstream = witnesses.proxy, witnesses.upstream
    if proxy is not None:
        checks.append(
            _check(
                "Locust sent = proxy received",
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
        if proxy.sent is not None:
            checks.append(_heads(proxy, proxy.sent, upstream.started, silent=witnesses.proxy_connections is None))
        checks.append(_answers(proxy.answered, proxy.failed + proxy.aborted, upstream.completed))
    return checks


def _tries(proxy: ProxyWitness, tries: int) -> AuditCheck:
    return _check(
        "proxy's tries = received - refused before a try + retried",
        tries,
        proxy.received - (proxy.untried or 0) + (proxy.retried or 0),
        "the proxy tried {n} times more than its requests and retries account for",
        "{n} requests or retries of the proxy were never tried",
    )


def _heads(proxy: ProxyWitness, sent: int, started: int, *, silent: bool) -> AuditCheck:
    """Check that what the proxy sent is what the upstream started.

    A head may be lost with its connection: as many as there were tries without an answer. Of a client library that is
    `silent` of its connections a try that failed may have been started all the same.
    """
    unanswered = max((proxy.tries or 0) - proxy.answered, 0)
    lost = min(max(sent - started, 0), unanswered)
    unseen = min(max(started - sent, 0), unanswered) if silent else 0
    return _check(
        "proxy sent = upstream started",
        sent - lost + unseen,
        started,
        "{n} requests that the proxy sent were never started by the upstream",
        "the upstream started {n} requests more than the proxy sent",
    )


def _answers(answered: int, unanswered: int, completed: int) -> AuditCheck:
    """Check that each answer the proxy delivered was completed upstream.

    An upstream answer may be written out in full and still be lost on the way, so up to `unanswered` completed
    requests more than answers are explained by the proxy's own failures and aborts.
    """
    explained = min(max(completed - answered, 0), unanswered)
    return _check(
        "proxy answered = upstream completed",
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
        aborted = witnesses.proxy.failed + witnesses.proxy.aborted if witnesses.proxy else 0
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
