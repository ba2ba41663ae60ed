"""Collect the mock's own request headers into the ASGI scope in one pass.

Ids, options of /work, a fault, a body to come: each would need a loop of its own over every request's headers.
"""

from upstream_mock.asgi import BODY_HEADERS, CORRELATION_KEY, OPTIONS_KEY, Scope
from upstream_mock.correlation import ID_HEADER, KEY_HEADER, RUN_HEADER
from upstream_mock.faults.runtime.engine import FAULT_HEADER
from upstream_mock.request_overrides import HEADERS

SCOPE_KEYS: dict[bytes, str] = {
    **dict.fromkeys((RUN_HEADER, ID_HEADER, KEY_HEADER), CORRELATION_KEY),
    **dict.fromkeys((FAULT_HEADER, *BODY_HEADERS, *HEADERS), OPTIONS_KEY),
}
"""The scope's key for a header; names in lower case."""


def collect_headers(scope: Scope) -> None:
    """For a request whose headers have all come."""
    for field in scope["headers"]:
        if (key := SCOPE_KEYS.get(field[0])) is not None:
            scope.setdefault(key, []).append(field)
