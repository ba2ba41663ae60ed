"""How a request that failed is counted: under few names, so that a run's errors can be read and compared."""

import re

ERROR_HEADER = "x-proxy-error"
"""The proxy's own errors carry their code here; an error of the upstream comes without it."""

UPSTREAM_HEADER = "x-upstream-error"
"""The mock puts here why it refused, and the proxy passes it on."""

_CODE = re.compile(r"[a-z0-9_]{1,40}")


class RequestFailed(Exception):
    """A failure under the name it is counted by; kinds of failures are few, so no ids or numbers of one request."""

    def __repr__(self) -> str:
        return str(self)


def failure_name(
    status: int, proxy_error: str | None, error: BaseException | None, upstream_error: str | None = None
) -> str | None:
    """Return what a request's outcome is counted as, or None for a success.

    1. An answer with an error status: `503 pool_exhausted` if the proxy made it itself, else `500 upstream`,
       with the upstream's own word if it gave one: `503 upstream queue_full`.
    2. No whole answer: the class of what broke, looked for below the client's own wrapper.
    """
    if status >= 400:
        if proxy_error is None:
            return f"{status} upstream" + (f" {_code(upstream_error)}" if upstream_error is not None else "")
        return f"{status} {_code(proxy_error)}"
    if error is not None:
        cause = getattr(error, "original", None) or error
        return type(cause).__name__
    return None if status else "no answer"


def _code(header: str) -> str:
    return header if _CODE.fullmatch(header) else "unknown"
