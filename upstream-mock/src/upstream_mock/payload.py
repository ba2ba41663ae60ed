"""What an answer of /work is to look like: plain data, from the environment and from requests."""

from dataclasses import dataclass
from typing import Literal

Encoding = Literal["identity", "gzip"]
Framing = Literal["content-length", "chunked", "close"]
Content = Literal["json", "sse"]

MAX_CHUNKS = 10_000
EVENT_FRAME_BYTES = len(b"data: \n\n")


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
        """How the end is told: a stream of events has no length, and trailers come after chunks only."""
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


_CHUNKED = ("chunked", None)
