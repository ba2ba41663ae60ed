"""The faults of the mock as the tests ask for them, and what must be seen of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from support.fault_client import Seen
from upstream_mock.faults.malformed import OK
from upstream_mock.faults.responses import HINTS
from upstream_mock.faults.runtime.fault import Fault, RawAnswer
from upstream_mock.faults.runtime.registry import discover


@dataclass(frozen=True)
class Case:
    """A fault as it is asked for, what must be seen of it, and how the mock counts the request.

    `completed`, `cut` by the mock, or `left` by the client, which waited in vain.
    """

    asks: str
    right: Callable[[Seen], bool]
    outcome: Literal["completed", "cut", "left"] = "completed"
    path: str = "/work"


def good(seen: Seen, *, length: int = 120) -> bool:
    """The answer of /work, whole, on a connection that stays."""
    return seen.head.startswith(b"HTTP/1.1 200 OK\r\n") and len(seen.body) == length and seen.end == "open"


def is_raw(fault: type[Fault], end: str = "FIN") -> Callable[[Seen], bool]:
    """To the byte what the fault's docstring describes."""
    assert issubclass(fault, RawAnswer)
    answer = fault.answer
    return lambda seen: seen == Seen(answer, end)


FOUND = discover()
RAW = ["BAD_HEADER", "CONTENT_LENGTH_AND_CHUNKED", "CONTENT_LENGTHS_DIFFER", "HEADER_WITH_NUL"]
RAW += ["NEGATIVE_CONTENT_LENGTH", "STATUS_999"]
CASES = [
    *(Case(name, is_raw(FOUND[name])) for name in RAW),
    Case("NOT_MODIFIED_WITH_LENGTH", is_raw(FOUND["NOT_MODIFIED_WITH_LENGTH"], "open")),
    Case("STATUS_503", lambda seen: seen.data.startswith(b"HTTP/1.1 503 ") and seen.body == b'{"error":"STATUS_503"}'),
    Case("STATUS_429", lambda seen: seen.data.startswith(b"HTTP/1.1 429 ") and seen.end == "open"),
    Case("EMPTY_RESPONSE", lambda seen: seen == Seen(b"", "FIN"), outcome="cut"),
    Case("CONNECTION_RESET_BY_PEER", lambda seen: seen == Seen(b"", "RST"), outcome="cut"),
    Case(
        "MALFORMED_RESPONSE_CHUNK",
        lambda seen: seen == Seen(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nthis is no chunk\r\n", "FIN"),
        outcome="cut",
    ),
    Case(
        "RANDOM_DATA_THEN_CLOSE bytes=5000",
        lambda seen: len(seen.data) == 5000 and not seen.data.startswith(b"HTTP") and seen.end == "FIN",
        outcome="cut",
    ),
    Case(
        "LIMIT_DATA after=50",
        lambda seen: b"content-length: 120" in seen.head and len(seen.body) == 50 and seen.end == "FIN",
        outcome="cut",
    ),
    Case("LIMIT_DATA after=5000", lambda seen: len(seen.body) == 119 and seen.end == "FIN", outcome="cut"),
    Case("LIMIT_DATA after=0", lambda seen: seen.head.endswith(b"}") or not seen.body, outcome="cut"),
    Case(
        "LIMIT_DATA after=5000",
        lambda seen: b"chunked" in seen.head and seen.body.endswith(b"}\n\r\n") and seen.end == "FIN",
        outcome="cut",
        path="/stream/3",
    ),
    Case(
        "LIMIT_DATA after=70000",
        lambda seen: len(seen.body) == 70_000 and seen.end == "FIN",
        outcome="cut",
        path="/bytes/1000000",
    ),
    Case(
        "LIMIT_DATA_RESET after=50",
        lambda seen: len(seen.body) == 50 and seen.end == "RST",
        outcome="cut",
    ),
    Case(
        "LIMIT_DATA_RESET after=700000",
        lambda seen: len(seen.body) == 700_000 and seen.end == "RST",
        outcome="cut",
        path="/bytes/1000000",
    ),
    Case("LIMIT_DATA", lambda seen: seen.data.startswith(b"HTTP/1.1 204 ") and seen.end == "open", path="/status/204"),
    Case(
        "HUGE_HEADER",
        lambda seen: b"x-huge: " + b"h" * 300_000 in seen.head and len(seen.body) == 120 and seen.end == "open",
    ),
    Case("EARLY_HINTS", lambda seen: seen.data.startswith(HINTS) and b"\r\nHTTP/1.1 200 OK\r\n" in seen.data),
    Case("STALL_BEFORE_HEADERS delay=50ms", good),
    Case("STALL_IN_BODY delay=50ms", good),
    Case("STALL_IN_BODY delay=50ms", lambda seen: seen.body.endswith(b"0\r\n\r\n"), path="/stream/3"),
    Case("STALL_IN_BODY delay=30s", lambda seen: len(seen.body) == 64 and seen.end == "open", outcome="left"),
    Case("SLICER delay=5ms", good),
    Case("SLICER delay=1ms size=100", lambda seen: seen.body.endswith(b"0\r\n\r\n"), path="/stream/3"),
    Case("STOP_ACCEPTING for=1ms", good),
    # What cannot be done to this request is not done.
    Case("CLOSE_ON_REUSE", good),
    Case("EARLY_413", good),
]


SHORT = {
    "STALL_BEFORE_HEADERS": "delay=50ms",
    "STALL_IN_BODY": "delay=50ms",
    "SLICER": "delay=5ms size=50000",
    "EARLY_413": "linger=50ms",
    "STOP_ACCEPTING": "for=50ms",
}
"""What a fault that takes time is given where its time is not the subject."""


def asked(name: str) -> str:
    """Return what asks for a fault, quick if its case is."""
    name = "STATUS_500" if name == "STATUS" else name
    return f"{name} {SHORT.get(name, '')}".strip()


def outcome(name: str) -> str:
    """Return how a request with that fault is counted, by the first of its cases."""
    return next((case.outcome for case in CASES if case.asks.split()[0] == name), "completed")
