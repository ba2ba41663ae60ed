"""Bytes that an upstream sends behind its answer.

httpcore (1.0.9) and httpcore2 (2.16.2) keep them and read them as the answer to the next request on that connection,
which belongs to somebody else. Such a connection must not be used again.
"""

from typing import Any


def has_surplus(response: Any) -> bool:
    """Say whether bytes came behind an answer of httpcore or httpcore2.

    No public name leads there. Where the private ones are gone the answer is no, and a test says so.
    """
    connection = getattr(getattr(response.stream, "_stream", None), "_connection", None)
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])
