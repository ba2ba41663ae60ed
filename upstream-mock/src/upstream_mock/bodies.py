"""Bodies that are streamed: random bytes, a drip, lines of JSON."""

import json
from collections.abc import AsyncIterator, Mapping
from random import Random

from upstream_mock.client import Client
from upstream_mock.state import Mock

PIECE_BYTES = 65_536


async def random_bytes(count: int, seed: int) -> AsyncIterator[bytes]:
    """`count` bytes in pieces; they depend on the seed only, not on the pieces."""
    draw = Random(seed)
    for start in range(0, count, PIECE_BYTES):
        yield draw.randbytes(min(PIECE_BYTES, count - start))


async def dripped(mock: Mock, caller: Client, *, count: int, seconds: float) -> AsyncIterator[bytes]:
    """`count` asterisks one by one, the first at once and the last after `seconds`; stops when the caller leaves."""
    yield b"*"
    for _ in range(count - 1):
        if await mock.pause(caller, seconds / (count - 1)) is None:
            return
        yield b"*"


async def json_lines(said: Mapping[str, object], count: int) -> AsyncIterator[bytes]:
    """`count` lines which say the same, numbered by `id`."""
    for number in range(count):
        yield json.dumps({"id": number, **said}).encode() + b"\n"
