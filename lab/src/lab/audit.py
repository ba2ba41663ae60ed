"""The audit of a run: three witnesses, told apart and held to one another.

A request or a connection that only one of them saw is named, not averaged away.
"""

from lab.run_document import Audit, AuditCheck, ConnectionWitness, Witnesses


def audit(witnesses: Witnesses) -> Audit:
    """Hold every equation that the heard witnesses allow; `agreed` only if all hold and all were heard."""
    checks = [*_requests(witnesses), *_connections(witnesses)]
    unheard = [
        name
        for name, heard in (
            ("proxy", witnesses.proxy),
            ("upstream", witnesses.upstream),
        )
        if heard is None
    ]
    return Audit(agreed=not unheard and all(check.difference == 0 for check in checks), checks=checks, unheard=unheard)


def _check(name: str, left: int, right: int, when_more: str, when_fewer: str) -> AuditCheck:
    difference = left - right
    if difference == 0:
        says = f"{left} = {right}"
    else:
        says = (when_more if difference > 0 else when_fewer).format(n=abs(difference))
    return AuditCheck(name=name, left=left, right=right, difference=difference, says=says)


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
    if proxy is not None and upstream is not None:
        checks.append(_answers(proxy.answered, proxy.failed + proxy.aborted, upstream.completed))
    return checks


def _answers(answered: int, unanswered: int, completed: int) -> AuditCheck:
    """Each answer the proxy delivered was completed upstream; one completed for nobody belongs to a lost request.

    An upstream answer may be written out in full and still be lost on the way, so up to `unanswered` completed
    requests more than answers are explained by the proxy's own failures and aborts.
    """
    explained = min(max(completed - answered, 0), unanswered)
    return _check(
        "proxy answered = upstream completed",
        answered,
        completed - explained,
        "{n} answers of the proxy were never completed by the upstream",
        "the upstream completed {n} requests that nobody was answered for",
    )


def _connections(witnesses: Witnesses) -> list[AuditCheck]:
    checks = []
    for name, end in (("proxy", witnesses.proxy_connections), ("upstream", witnesses.upstream_connections)):
        if end is not None:
            checks.append(_conserved(name, end))
    proxy, upstream = witnesses.proxy_connections, witnesses.upstream_connections
    if proxy is not None and upstream is not None:
        # a connection whose request was given up before it was sent carried none: the upstream does not count it
        given_up = witnesses.proxy.failed + witnesses.proxy.aborted if witnesses.proxy else 0
        unused = min(max(proxy.opened - upstream.opened, 0), given_up)
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
