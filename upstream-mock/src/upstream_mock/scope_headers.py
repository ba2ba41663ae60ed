"""Headers that are meant for the mock itself, put aside as they arrive: one look at each, for all who ask later.

Run and ids, words for /work, a fault, a body to come: each would need a loop of its own over every request's headers.
"""

from upstream_mock.asgi import CORRELATION_KEY, OPTIONS_KEY, Scope
from upstream_mock.correlation import ID_HEADER, KEY_HEADER, RUN_HEADER
from upstream_mock.faults.runtime.override import FAULT_HEADER
from upstream_mock.json_response import BODY_HEADERS
from upstream_mock.request_overrides import HEADERS

PLACES: dict[bytes, str] = {
    **dict.fromkeys((RUN_HEADER, ID_HEADER, KEY_HEADER), CORRELATION_KEY),
    **dict.fromkeys((FAULT_HEADER, *BODY_HEADERS, *HEADERS), OPTIONS_KEY),
}
"""Where in the scope a header goes; names in lower case."""


def collect_headers(scope: Scope) -> None:
    """Do it for a request whose headers have all come."""
    for field in scope["headers"]:
        if (place := PLACES.get(field[0])) is not None:
            scope.setdefault(place, []).append(field)
