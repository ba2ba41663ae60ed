"""Answers that break HTTP's rules, or stretch them further than most clients go."""

from dataclasses import dataclass

from upstream_mock.asgi import Message
from upstream_mock.faults.runtime.fault import Fault, RawAnswer, count
from upstream_mock.faults.runtime.faulted_request import FaultedRequest

OK = b"HTTP/1.1 200 OK\r\n"


class BadHeader(RawAnswer):
    """A header line with a space in its name and no colon; the rest of the answer is good."""

    answer = OK + b"this is no header\r\ncontent-length: 2\r\n\r\nok"


class ContentLengthAndChunked(RawAnswer):
    """Content-Length and Transfer-Encoding that disagree, and chunks (RFC 9112, 6.3: smuggling, or a mistake)."""

    answer = OK + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n9\r\nnine byte\r\n0\r\n\r\n"


class ContentLengthsDiffer(RawAnswer):
    """Two Content-Lengths, and a body of the first (RFC 9112, 6.3: the answer must be thrown away)."""

    answer = OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok"


class HeaderWithNul(RawAnswer):
    """A zero byte in a header's value (RFC 9110, 5.5: reject it, or replace it by a space)."""

    answer = OK + b"x-fault: a\x00b\r\ncontent-length: 2\r\n\r\nok"


class NegativeContentLength(RawAnswer):
    """Content-Length -2, and two bytes."""

    answer = OK + b"content-length: -2\r\n\r\nok"


class NotModifiedWithLength(RawAnswer):
    """304 with Content-Length and no body, which RFC 9110, 8.6, allows: a client that waits for the body hangs.

    The connection is kept, since the answer is right.
    """

    answer = b'HTTP/1.1 304 Not Modified\r\netag: "one"\r\ncontent-length: 120\r\n\r\n'
    close = False


class Status999(RawAnswer):
    """A status that HTTP does not have (RFC 9110, 15: 100 to 599); some sites send it to what they take for robots."""

    answer = b"HTTP/1.1 999 Request denied\r\ncontent-length: 2\r\n\r\nno"


class MalformedResponseChunk(Fault):
    """WireMock's MALFORMED_RESPONSE_CHUNK: a good head, a chunk whose length is no number, then FIN."""

    async def apply(self, request: FaultedRequest) -> None:
        head = OK + b"transfer-encoding: chunked\r\n\r\n"
        await request.write(head + b"zz\r\nthis is no chunk\r\n")
        await request.fin()


@dataclass(frozen=True)
class RandomDataThenClose(Fault):
    """WireMock's RANDOM_DATA_THEN_CLOSE: `bytes` random bytes, the first none that HTTP begins with, then FIN."""

    bytes: int = count(100, least=1)

    async def apply(self, request: FaultedRequest) -> None:
        await request.write(b"\x00" + request.random.randbytes(self.bytes - 1))
        await request.fin()


@dataclass(frozen=True)
class HugeHeader(Fault):
    """The answer, with one more header of `bytes` bytes; 300 KB is above the limits of most clients."""

    bytes: int = count(300_000, least=1)

    async def apply(self, request: FaultedRequest) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-huge", b"h" * self.bytes)]
            await request.send(message)

        await request.answer(send)
