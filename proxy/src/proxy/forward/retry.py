"""Whether a request that failed is sent once more. Pure rules."""

from typing import Final

from poolwatch.trace import RequestTrace
from proxy.clients.interface import Outbound
from proxy.errors import ProxyError

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2; methods of other documents are not known to be."""

_CUT: Final = frozenset({"upstream_closed", "upstream_reset", "upstream_goaway"})


def may_repeat(outbound: Outbound) -> bool:
    """Say whether a request could be sent twice: an idempotent method and no body, which would be gone by then."""
    return outbound.method in IDEMPOTENT and not outbound.has_body


def was_stale(error: ProxyError, trace: RequestTrace) -> bool:
    """Say whether a try failed only because its kept connection was closed: cut off before a byte of an answer.

    The upstream may have closed it while the request was on its way; RFC 9110 section 9.2.2 allows to repeat it then.
    """
    return error.code in _CUT and trace.kept and not trace.received
