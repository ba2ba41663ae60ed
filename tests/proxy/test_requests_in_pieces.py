"""What a parser makes of a request does not depend on how it is cut into packets."""

import asyncio
import importlib
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from support.behaviours import PARSERS
from support.odd_requests import REFUSED, VALID, Valid
from support.raw_http import statuses

CUTS = 400
"""Of a longer request the beginning and the end are cut, here and there."""


class Written(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.data = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.data += data

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class App:
    """Answers 200 to what comes, and keeps it."""

    received: list[tuple[str, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.received.append((scope["method"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def cuts(raw: bytes, step: int = 1) -> list[int]:
    """Return where to cut."""
    size = len(raw)
    return [*range(1, size, step)] if size < CUTS else [*range(1, 100, 10), *range(size - 100, size, 10)]


async def outcome(kind: Any, *pieces: bytes) -> tuple[list[tuple[str, bytes]], list[int]]:
    """Give pieces to a connection; return what the app had, and the statuses of the answers."""
    app = App()
    config = uvicorn.Config(app, log_config=None, log_level="critical")
    config.load()
    config.loaded_app = app
    transport = Written()
    connection = kind(config, ServerState(), {})
    connection.connection_made(transport)
    for piece in pieces:
        if not transport.closed:
            connection.data_received(piece)
            await asyncio.sleep(0)
    for _ in range(6):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    return app.received, statuses(transport.data)


@pytest.fixture(params=PARSERS)
def kind(request: pytest.FixtureRequest) -> Any:
    module, name = PARSERS[request.param].split(":")
    return getattr(importlib.import_module(module), name)


NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def of(sent: Valid) -> list[tuple[str, bytes]]:
    return [(sent.method.decode(), sent.body), ("GET", b"")]


async def test_a_valid_request(kind: Any) -> None:
    """Cut once, anywhere, and byte by byte."""
    for name, sent in VALID.items():
        raw = sent.raw + NEXT
        for at in cuts(raw, 2):
            assert await outcome(kind, raw[:at], raw[at:]) == (of(sent), [200, 200]), (name, raw[:at])
        if len(raw) < CUTS:
            assert await outcome(kind, *[raw[at : at + 1] for at in range(len(raw))]) == (of(sent), [200, 200]), name


async def test_what_is_not_a_request(kind: Any) -> None:
    """Refused whatever the cut; what the rules behind the parser refuse is left out."""
    for name, (status, raw) in REFUSED.items():
        if name.startswith(("host:", "expect:")) or name.endswith("host"):
            continue
        for at in cuts(raw, 5):
            _, answered = await outcome(kind, raw[:at], raw[at:] + NEXT)
            assert answered == [status], (name, raw[:at])


async def test_a_flood_of_empty_lines_costs_no_more_than_its_length(kind: Any) -> None:
    """A copy for each of them takes seven seconds of CPU."""
    began = time.process_time()
    assert await outcome(kind, b"\r\n" * 500_000) == ([], [])
    assert time.process_time() - began < 3
