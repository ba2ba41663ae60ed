"""What a pattern's exception comes to: a code of the proxy's table, by the names that httpx and requests share."""

import socket
from collections.abc import Iterator
from typing import Final

from proxy.errors import ProxyError

_CODE_BY_NAME: Final = {
    "PoolTimeout": "pool_exhausted",
    "ConnectTimeout": "upstream_connect_timeout",
    "ReadTimeout": "upstream_read_timeout",
    "WriteTimeout": "upstream_write_timeout",
    "gaierror": "upstream_dns_error",
    "RemoteDisconnected": "upstream_closed",  # a ConnectionResetError too
    "ConnectionResetError": "upstream_reset",
    "IncompleteRead": "upstream_closed",
    "ConnectError": "upstream_connect_error",
    "NewConnectionError": "upstream_connect_error",
    "ReadError": "upstream_reset",
    "WriteError": "upstream_reset",
    "ProtocolError": "upstream_protocol_error",
}
_LIBRARIES: Final = ("httpx", "httpcore", "requests", "urllib3")


class PatternError(ProxyError):
    """A pattern's exception as its callers see it: status 500, as FastAPI makes it, and the code that says why."""

    @property
    def status(self) -> int:
        """What FastAPI answers when an endpoint raises."""
        return 500


def pattern_error(error: BaseException) -> PatternError:
    """Map what a pattern raised."""
    if not type(error).__module__.startswith(_LIBRARIES):
        return PatternError("internal_error")
    if "peer closed connection" in str(error) or "Server disconnected" in str(error):
        return PatternError("upstream_closed")  # httpcore tells "closed" from "not HTTP" by its text alone
    raised = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in raised):
        return PatternError("upstream_dns_error")
    names = {cls.__name__ for cause in raised for cls in type(cause).__mro__}
    return PatternError(next((code for name, code in _CODE_BY_NAME.items() if name in names), "internal_error"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that led to it, whether chained, as its `reason`, or, with requests, as its argument."""
    seen: set[int] = set()
    open_ones: list[object] = [error]
    while open_ones:
        cause = open_ones.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            open_ones += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
