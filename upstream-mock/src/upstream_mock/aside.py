"""Headers that are meant for the mock itself, put aside as they arrive: one look at each, for all who ask later.

Run and ids, words for /work, a fault, a body to come: each would need a loop of its own over every request's headers.
"""

from upstream_mock.asgi import MARKS_KEY, WORDS_KEY, Scope
from upstream_mock.faults.harness.asked import FAULT_HEADER
from upstream_mock.marks import ID_HEADER, KEY_HEADER, RUN_HEADER
from upstream_mock.overrides import HEADERS
from upstream_mock.short import BODY_HEADERS

PLACES: dict[bytes, str] = {
    **dict.fromkeys((RUN_HEADER, ID_HEADER, KEY_HEADER), MARKS_KEY),
    **dict.fromkeys((FAULT_HEADER, *BODY_HEADERS, *HEADERS), WORDS_KEY),
}
"""Where in the scope a header goes; names in lower case."""


def put_aside(scope: Scope) -> None:
    """Do it for a request whose headers have all come."""
    for field in scope["headers"]:
        if (place := PLACES.get(field[0])) is not None:
            scope.setdefault(place, []).append(field)
