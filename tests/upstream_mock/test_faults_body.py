"""Faults of the body against an app's messages: what goes through, in which pieces, and what is held back."""

from random import Random
from typing import Any

import pytest

from upstream_mock.asgi import Message
from upstream_mock.client import Client
from upstream_mock.faults.runtime.faulted_request import FaultedRequest
from upstream_mock.faults.runtime.parse import parse_fault


class FakeWire:
    """A connection that only remembers how it ended."""

    carried = 1
    body_due = False
    unsent = 0
    end = ""

    async def write(self, data: bytes) -> None:
        """Nowhere."""

    def answered(self, *, close: bool) -> None:
        """All of it."""
        self.end = "answered"

    def answered_early(self) -> None:
        """All of it."""
        self.end = "answered"

    def cut(self, *, reset: bool) -> None:
        """Too early."""
        self.end = "RST" if reset else "FIN"

    def close(self) -> None:
        """Nothing."""


class Cycle:
    """Whose method `send` is, as uvicorn's."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        """Remember."""
        self.sent.append(dict(message))


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    """A head."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, *, more: bool = False) -> Message:
    """A piece of a body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def done(asks: str, messages: list[Message]) -> tuple[list[Message], str, list[float]]:
    """What an app that sends these in fact sends, how the connection ended, and the pauses."""
    cycle, wire, pauses = Cycle(), FakeWire(), []

    async def pause(client: Client, seconds: float) -> bool:
        pauses.append(seconds)
        return True

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert getattr(send, "__self__", None) is cycle
        for message in messages:
            await send(message)

    async def receive() -> Message:
        raise AssertionError("no request has a body here")

    fault = parse_fault(asks)[1]
    request = FaultedRequest({"method": "GET"}, receive, cycle.send, app, Client(), wire, pause, Random(1))
    await fault.apply(request)
    assert request.asked
    return cycle.sent, wire.end, pauses


LENGTH_TEN = start(200, (b"Content-Length", b"10"))


@pytest.mark.parametrize(
    ("asks", "messages", "sent", "end"),
    [
        ("LIMIT_DATA after=4", [LENGTH_TEN, body(b"0123456789")], b"0123", "FIN"),
        ("LIMIT_DATA_RESET after=4", [LENGTH_TEN, body(b"0123456789")], b"0123", "RST"),
        ("LIMIT_DATA after=0", [LENGTH_TEN, body(b"0123456789")], b"", "FIN"),
        ("LIMIT_DATA after=10", [LENGTH_TEN, body(b"0123456789")], b"012345678", "FIN"),
        ("LIMIT_DATA after=4", [LENGTH_TEN, body(b"01", more=True), body(b"23456789")], b"0123", "FIN"),
        ("LIMIT_DATA after=2", [LENGTH_TEN, body(b"01", more=True), body(b"23456789")], b"01", "FIN"),
        ("LIMIT_DATA after=40", [start(), body(b"0123", more=True), body(b"")], b"0123", "FIN"),
        ("LIMIT_DATA after=40", [start(), body(b"0123", more=True), body(b"4567")], b"0123456", "FIN"),
        ("LIMIT_DATA", [start(200, (b"content-length", b"0")), body(b"")], b"", ""),
        ("LIMIT_DATA", [start(304, (b"content-length", b"9")), body(b"")], b"", ""),
        ("STALL_IN_BODY after=4", [LENGTH_TEN, body(b"01", more=True), body(b"23456789")], b"0123456789", ""),
        (
            "SLICER size=3",
            [LENGTH_TEN, body(b"01234", more=True), body(b"56789", more=True), body(b"")],
            b"0123456789",
            "",
        ),
    ],
)
async def test_a_body_is_stopped_where_it_should_be(asks: str, messages: list[Message], sent: bytes, end: str) -> None:
    """The right bytes, the right end, and a last message exactly if the answer is whole."""
    sent_on, how, _ = await done(asks, messages)
    bodies = [message for message in sent_on if message["type"] == "http.response.body"]
    assert b"".join(message["body"] for message in bodies) == sent
    assert how == end
    assert [message.get("more_body", False) for message in bodies].count(False) == (0 if end else 1)


async def test_drops_and_pauses() -> None:
    """A pause between any two drops, across the app's own pieces too, and none before the first."""
    sent_on, _, pauses = await done(
        "SLICER size=2 delay=40ms", [start(), body(b"012", more=True), body(b"34"), body(b"")]
    )
    assert [message["body"] for message in sent_on[1:]] == [b"01", b"2", b"34", b""]
    assert pauses == [0.04, 0.04]
    _, _, pauses = await done("STALL_IN_BODY delay=3s after=1", [start(), body(b"012", more=True), body(b"")])
    assert pauses == [3.0]


async def test_a_slow_body_lasts_no_longer_than_an_hour() -> None:
    """Then the rest comes at once."""
    _, _, pauses = await done("SLICER size=1 delay=1000s", [start(), body(b"x" * 50)])
    assert pauses == [1000.0] * 3


async def test_other_messages_pass() -> None:
    """Trailers, for one, which some servers know."""
    trailers = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
    for asks in ("SLICER", "STALL_IN_BODY after=1", "HUGE_HEADER bytes=5"):
        assert (await done(asks, [start(), body(b"0123"), trailers]))[0][-1] == trailers
