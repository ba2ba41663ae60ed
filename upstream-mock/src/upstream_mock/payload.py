"""What an answer of /work looks like, and its bytes, chunk by chunk: long ones are made as they are sent."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Encoding = Literal["identity", "gzip"]
Framing = Literal["content-length", "chunked", "close"]
Content = Literal["json", "sse"]

MAX_CHUNKS = 10_000
PIECE_BYTES = 65_536

_JSON = b'{"payload":"', b'"}'
_SHORTEST_JSON = sum(map(len, _JSON))
_EVENT = b"data: ", b"\n\n"
EVENT_FRAME_BYTES = sum(map(len, _EVENT))
_GZIP = 16 + zlib.MAX_WBITS  # selects gzip's header and trailer; the header holds no time of day
_CHUNKED = ("chunked", None)


@dataclass(frozen=True, slots=True)
class Payload:
    """`length` bytes before encoding, in `chunks` writes with `gap_seconds` between two of them.

    `framing` None is Content-Length where the length is known before the answer begins, else chunked.
    """

    length: int
    chunks: int = 1
    gap_seconds: float = 0.0
    encoding: Encoding = "identity"
    framing: Framing | None = None
    trailers: bool = False
    content: Content = "json"

    @property
    def framed(self) -> Framing:
        """How the end is marked: a stream of events has no length, and trailers come after chunks only."""
        if self.framing is not None:
            return self.framing
        return "chunked" if self.trailers or self.content == "sse" else "content-length"


def misframed_trailers(trailers: bool, framing: Framing | None) -> str | None:
    """What is wrong with trailers in this framing: RFC 9112, 7.1.2, has them after the last chunk and nowhere else."""
    return f"there are no trailers with {framing}, only with chunked" if trailers and framing not in _CHUNKED else None


def crowded_events(content: Content, length: int, chunks: int) -> str | None:
    """What is wrong with so many events in so many bytes."""
    if content == "sse" and length < chunks * EVENT_FRAME_BYTES:
        return f"{chunks} events need {chunks * EVENT_FRAME_BYTES} bytes at least, not {length}"
    return None


class Body(Protocol):
    """`count` chunks of `length` bytes together; a chunk comes in pieces of at most PIECE_BYTES."""

    length: int
    count: int
    content_type: bytes

    def chunk(self, number: int) -> Iterator[bytes]:
        """The pieces of one chunk, counted from 0."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A head, `fill` times the letter x, a tail."""

    head: bytes
    fill: int
    tail: bytes

    def __len__(self) -> int:
        return len(self.head) + self.fill + len(self.tail)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        for begin in range(start, stop, PIECE_BYTES):
            yield self._piece(begin, min(stop, begin + PIECE_BYTES))

    def _piece(self, start: int, stop: int) -> bytes:
        filled_from, filled_to = len(self.head), len(self.head) + self.fill
        fill = max(0, min(stop, filled_to) - max(start, filled_from))
        return self.head[start:stop] + b"x" * fill + self.tail[max(0, start - filled_to) : max(0, stop - filled_to)]


class Text:
    """JSON, or plain text where JSON is too long, cut into chunks of equal length."""

    def __init__(self, length: int, chunks: int) -> None:
        short = length < _SHORTEST_JSON
        head, tail = (b"", b"") if short else _JSON
        self.content_type = b"text/plain; charset=utf-8" if short else b"application/json"
        self.length = length
        self.count = min(chunks, max(1, length))  # an empty chunk would end a chunked answer
        self._all = Filled(head, length - len(head) - len(tail), tail)

    def chunk(self, number: int) -> Iterator[bytes]:
        return self._all.pieces(*_bounds(self.length, self.count, number))


class Events:
    """Server-sent events, each a chunk (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    content_type = b"text/event-stream"

    def __init__(self, length: int, chunks: int) -> None:
        self.length = length
        self.count = chunks

    def chunk(self, number: int) -> Iterator[bytes]:
        start, stop = _bounds(self.length, self.count, number)
        event = Filled(_EVENT[0], stop - start - EVENT_FRAME_BYTES, _EVENT[1])
        return event.pieces(0, len(event))


class Gzipped:
    """Another body, compressed once. Every chunk is flushed, so that a client can read it when it arrives."""

    def __init__(self, plain: Body) -> None:
        packer = zlib.compressobj(wbits=_GZIP)
        packed = []
        for number in range(plain.count):
            flush = zlib.Z_SYNC_FLUSH if number + 1 < plain.count else zlib.Z_FINISH
            packed.append(b"".join(map(packer.compress, plain.chunk(number))) + packer.flush(flush))
        self.content_type = plain.content_type
        self.count = plain.count
        self.length = sum(map(len, packed))
        self._packed = packed

    def chunk(self, number: int) -> Iterator[bytes]:
        packed = self._packed[number]
        return (packed[start : start + PIECE_BYTES] for start in range(0, len(packed), PIECE_BYTES))


def body_of(payload: Payload) -> Body:
    plain = (Events if payload.content == "sse" else Text)(payload.length, payload.chunks)
    return Gzipped(plain) if payload.encoding == "gzip" else plain


def _bounds(length: int, count: int, number: int) -> tuple[int, int]:
    return length * number // count, length * (number + 1) // count
