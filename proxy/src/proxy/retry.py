"""When a request may be sent once more: only if nobody can tell the difference.

A kept connection may have been closed by the upstream while the request was on its way. RFC 9110 section 9.2.2 allows
to repeat a request then if its method is idempotent; what was not idempotent is never repeated here.
"""

from typing import Final

from proxy.errors import ProxyError
from proxy.forwarding import Outbound
from proxy.watch import Exchange

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2; methods of other documents are not known to be."""

_CUT: Final = frozenset({"upstream_closed", "upstream_reset"})


def may_repeat(outbound: Outbound) -> bool:
    """Say whether a request could be sent twice: an idempotent method and no body, which would be gone by then."""
    return outbound.method in IDEMPOTENT and not outbound.has_body


def was_stale(error: ProxyError, exchange: Exchange) -> bool:
    """Say whether a try failed only because its kept connection was closed: cut off before a byte of an answer."""
    return error.code in _CUT and exchange.kept and not exchange.received
