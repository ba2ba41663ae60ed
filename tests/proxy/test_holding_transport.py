import asyncio
from typing import Any

from proxy.forward.holding_transport import HoldingTransport


class Wire(asyncio.Transport):
    """A transport that notes what it is told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: Any) -> None:
        """Note a write."""
        self.told.append(bytes(data))

    def close(self) -> None:
        """Note the close."""
        self.told.append("closed")


async def held() -> tuple[Wire, HoldingTransport]:
    wire = Wire()
    transport = HoldingTransport(wire, asyncio.get_running_loop())
    transport.hold()
    transport.write(b"head")
    assert wire.told == []
    return wire, transport


async def test_a_held_head_goes_out_with_the_first_piece_of_the_body() -> None:
    """One write for both, and the next ones as they come."""

    wire, transport = await held()
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert wire.told == [b"headbody", b"more"]


async def test_a_held_head_waits_for_nobody() -> None:
    """With no body at hand it goes out as soon as the loop has done what it has to do."""

    wire, transport = await held()
    await asyncio.sleep(0)
    assert wire.told == [b"head"]
    transport.write(b"body")
    assert wire.told == [b"head", b"body"]


async def test_a_connection_that_is_closed_loses_nothing_it_was_given() -> None:
    """What is held is written before the close."""

    wire, transport = await held()
    transport.close()
    await asyncio.sleep(0)
    assert wire.told == [b"head", "closed"]
