"""The proxy's codes for what client libraries raise: httpx, httpcore, aiohttp, requests and urllib3, one table."""

import socket
from collections.abc import Iterable, Iterator
from typing import Final

_CODE_BY_NAME: Final = {
    "PoolTimeout": "pool_exhausted",
    "ConnectTimeout": "upstream_connect_timeout",
    "ConnectionTimeoutError": "upstream_connect_timeout",
    "ReadTimeout": "upstream_read_timeout",
    "ServerTimeoutError": "upstream_read_timeout",
    "WriteTimeout": "upstream_write_timeout",
    "gaierror": "upstream_dns_error",
    "ClientConnectorDNSError": "upstream_dns_error",
    "RemoteDisconnected": "upstream_closed",  # a ConnectionResetError too
    "ClientConnectionResetError": "upstream_closed",
    "ConnectionResetError": "upstream_reset",
    "IncompleteRead": "upstream_closed",
    "ServerDisconnectedError": "upstream_closed",
    "ConnectError": "upstream_connect_error",
    "NewConnectionError": "upstream_connect_error",
    "ClientConnectorError": "upstream_connect_error",
    "NetworkError": "upstream_reset",
    "ClientOSError": "upstream_reset",
    "ProtocolError": "upstream_protocol_error",
    "ClientResponseError": "upstream_protocol_error",
    "ClientConnectionError": "upstream_closed",
}
"""By the name of a class or one of its bases; the first entry that is one of them counts, for the classes overlap."""


def code_of(errors: Iterable[BaseException]) -> str:
    """Return the code of an error, or of several that belong together, by their names alone."""
    names = {cls.__name__ for error in errors for cls in type(error).__mro__}
    return next((code for name, code in _CODE_BY_NAME.items() if name in names), "internal_error")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that led to it, whether chained, as its `reason`, or, with requests, as its argument."""
    seen: set[int] = set()
    to_visit: list[object] = [error]
    while to_visit:
        cause = to_visit.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            to_visit += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
            to_visit += getattr(cause, "exceptions", ())  # of a group: an attempt for each address


def is_dns(error: BaseException) -> bool:
    """Say whether a name could not be resolved: the libraries wrap that as any failure to connect."""
    return any(isinstance(cause, socket.gaierror) for cause in causes_of(error))


def is_cut(error: Exception) -> bool:
    """Say whether a connection ended too early: httpcore tells that from what is not HTTP by its text alone."""
    return "peer closed connection" in str(error) or "Server disconnected" in str(error)
