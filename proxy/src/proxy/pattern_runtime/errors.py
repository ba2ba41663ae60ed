"""What a pattern's exception comes to: a code of the proxy's table, whichever library raised it."""

from typing import Final

from proxy.clients.exhaustion import exhausted
from proxy.clients.library_errors import causes_of, code_of, is_cut, is_dns
from proxy.errors import ProxyError

_LIBRARIES: Final = ("httpx", "httpcore", "requests", "urllib3")


class PatternError(ProxyError):
    """A pattern's exception as its callers see it: status 500, as FastAPI makes it, and the code that says why."""

    @property
    def status(self) -> int:
        """What FastAPI answers when an endpoint raises."""
        return 500


def pattern_error(error: Exception) -> PatternError:
    """Map what a pattern raised."""
    lacking = exhausted(error)
    if lacking is not None:
        return PatternError(lacking)
    if not type(error).__module__.startswith(_LIBRARIES):
        return PatternError("internal_error")
    if is_cut(error):
        return PatternError("upstream_closed")
    return PatternError("upstream_dns_error" if is_dns(error) else code_of(causes_of(error)))
