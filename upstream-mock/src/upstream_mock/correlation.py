"""What a caller writes on a request so that it can be told from others: its run, its id, and its key if it has one."""

from collections.abc import Iterable

RUN_HEADER, ID_HEADER, KEY_HEADER = b"x-sandbox-run", b"x-request-id", b"idempotency-key"

LONGEST = 100
"""Of a longer mark the beginning counts, so that nobody fills the memory with headers."""

Correlation = tuple[bytes, bytes, bytes]
"""Run, request id and idempotency key; empty where there is none."""

NO_CORRELATION: Correlation = (b"", b"", b"")


def marks(headers: Iterable[tuple[bytes, bytes]]) -> Correlation:
    """The marks among headers that were put aside, names in lower case; of two with one name the last counts."""
    run = request_id = key = b""
    for name, value in headers:
        if name == RUN_HEADER:
            run = value[:LONGEST]
        elif name == ID_HEADER:
            request_id = value[:LONGEST]
        elif name == KEY_HEADER:
            key = value[:LONGEST]
    return run, request_id, key
