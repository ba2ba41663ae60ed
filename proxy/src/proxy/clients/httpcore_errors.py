"""What httpcore's and httpcore2's pools raise, and the proxy's error for it."""

from typing import Any, Final

import h11

from proxy.errors import ProxyError

from .exhaustion import exhausted
from .library_errors import code_of, is_cut, is_dns
from .transport import unsendable

_ASKED_OF_SOCKETS: Final = frozenset({"family", "getpeername", "getsockname", "setsockopt"})


def was_reset_at_once(error: BaseException) -> bool:
    """Say whether a connection was reset before httpcore had looked at it: then anyio asks a socket that is None."""
    return isinstance(error, AttributeError) and error.obj is None and error.name in _ASKED_OF_SOCKETS


class PoolErrors:
    """`caught` are the errors of one client; `name` is the library's, in what a caller reads."""

    def __init__(self, core: Any, name: str, *, http2: bool) -> None:
        self.caught: tuple[type[Exception], ...] = (
            core.TimeoutException,
            core.NetworkError,
            core.ProtocolError,
            h11.LocalProtocolError,  # passes through the pool when a body is not as long as its Content-Length
        )
        self._core = core
        self._name = name
        self._of_h2: tuple[type[Exception], ...] = ()
        if http2:
            from h2.exceptions import H2Error

            self._of_h2 = (H2Error,)
            self.caught += self._of_h2

    def proxy_error(self, error: Exception) -> ProxyError:
        """Map one of them."""
        core = self._core
        if isinstance(error, core.NetworkError) and (lacking := exhausted(error)) is not None:
            return ProxyError(lacking)
        match error:
            case core.ConnectError() if is_dns(error):
                return ProxyError("upstream_dns_error")
            case core.RemoteProtocolError():
                return ProxyError(_of_remote(error))
            case h11.LocalProtocolError():
                return ProxyError("bad_request", "the body is not as long as its Content-Length")
            case _ if isinstance(error, self._of_h2):
                return ProxyError("upstream_protocol_error")
            case core.LocalProtocolError() if error.args and isinstance(error.args[0], self._of_h2):
                return ProxyError(_of_h2(error.args[0]))
            case core.LocalProtocolError():
                return unsendable(self._name, "this request as HTTP/1.1")
        return ProxyError(code_of([error]))


def _of_remote(error: Exception) -> str:
    """Tell the ends of a connection or a stream from what is not HTTP: by text in HTTP/1.1, by events in HTTP/2.

    A GOAWAY without an error is no end of the streams it covers (RFC 9113 section 6.8): the upstream would answer them.
    httpcore and httpcore2 raise for every open one (encode/httpcore#1054).
    """
    event = error.args[0] if error.args else None
    match type(event).__name__:
        case "ConnectionTerminated":
            return "upstream_closed" if getattr(event, "error_code", 0) else "upstream_goaway"
        case "StreamReset":
            return "upstream_reset"
    return "upstream_closed" if is_cut(error) else "upstream_protocol_error"


def _of_h2(error: Exception) -> str:
    """Map what h2 raises when something is to be sent: on a stream that was reset, or after a GOAWAY, or in error."""
    if type(error).__name__ == "StreamClosedError":
        return "upstream_reset"
    return "upstream_goaway" if "ConnectionState.CLOSED" in str(error) else "upstream_protocol_error"
