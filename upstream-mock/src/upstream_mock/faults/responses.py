"""Answers of the mock's own, in place of the one asked for or before it."""

from dataclasses import dataclass
from typing import ClassVar

from upstream_mock.asgi import Scope, answer_json, has_body
from upstream_mock.faults.runtime.fault import Fault, seconds
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 10\r\nconnection: close\r\n\r\ntoo large\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"


@dataclass(frozen=True)
class Status(Fault):
    """Envoy's abort fault, STATUS_503 and so on: this status at once, with a little JSON. The connection is kept."""

    numbers: ClassVar[range] = range(400, 600)
    number: int

    async def apply(self, request: FaultedRequest) -> None:
        await answer_json(request.send, self.number, b'{"error":"STATUS_%d"}' % self.number)


@dataclass(frozen=True)
class StallBeforeHeaders(Fault):
    """Envoy's delay fault, WireMock's fixedDelayMilliseconds: `delay`, then the answer with its own latency.

    No server of UPSTREAM_CAPACITY is held during the delay.
    """

    delay: float = seconds(30.0)

    async def apply(self, request: FaultedRequest) -> None:
        if await request.pause(self.delay):
            await request.answer()


class EarlyHints(Fault):
    """103 Early Hints (RFC 8297) at once, then the answer: right, but not every client skips it.

    A client of HTTP/1.0 gets it too, though it should not.
    """

    async def apply(self, request: FaultedRequest) -> None:
        await request.write(HINTS)
        await request.answer()


@dataclass(frozen=True)
class Early413(Fault):
    """413 as soon as the head of an upload has come (RFC 9110, 15.5.14), then FIN. Only requests with a body.

    What still arrives is thrown away for `linger`, as nginx does it; with `linger=0s` the socket is closed at once, and
    the RST caused by unread bytes may reach a client before it has read the answer.
    """

    linger: float = seconds(2.0)

    def applies_to(self, scope: Scope, carried: int) -> bool:  # noqa: ARG002 every request of a connection alike
        return has_body(scope)

    async def apply(self, request: FaultedRequest) -> None:
        await request.write(TOO_LARGE)
        await request.finish_early(self.linger)
