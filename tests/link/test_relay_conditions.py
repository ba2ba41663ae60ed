"""What strikes a connection through the relay, on real sockets."""

import asyncio
import socket
import time
from contextlib import suppress

import pytest

from link.model import Conditions
from link.partition import Partition
from link.relay import Relay


async def meets(conditions: Conditions, rest: float = 0.0, patience: float = 0.6) -> tuple[str, float]:
    """Return what the second of two small requests meets after a rest, and the seconds the first took."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.readline():
                writer.write(b"x")
        writer.close()

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener = socket.create_server(("127.0.0.1", 0))
    relay = Relay(conditions, listener, upstream.sockets[0].getsockname(), seed=1)
    await relay.start()
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    first = 0.0
    try:
        for _ in range(2):
            writer.write(b"a\n")
            await asyncio.wait_for(reader.readexactly(1), patience)
            first = first or time.perf_counter() - begin
            await asyncio.sleep(rest)
        return "answer", first
    except TimeoutError:
        return "timeout", first
    except (ConnectionResetError, asyncio.IncompleteReadError):
        return "reset", first
    finally:
        writer.close()
        await relay.stop()
        upstream.close()


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        (Conditions(idle_drop=0.3), "timeout"),
        (Conditions(idle_drop=0.3, idle_reset=True), "reset"),
        (Conditions(idle_drop=3.0), "answer"),
        (Conditions(resets=1.0), "reset"),
        (Conditions(partition=Partition(0.2)), "timeout"),
        (Conditions(partition=Partition(0.2), partition_reset=True), "reset"),
    ],
)
def test_what_a_request_after_a_rest_meets(conditions: Conditions, met: str) -> None:
    """Silence or a reset, as the conditions say; without reason an answer."""
    assert asyncio.run(meets(conditions, rest=0.5))[0] == met


def test_a_partition_that_ends_costs_the_time_outs_of_the_handshake() -> None:
    """A SYN that is swallowed is sent again a second later, which the first request pays."""
    met, first = asyncio.run(meets(Conditions(partition=Partition(0.0, 0.5)), patience=3.0))
    assert met == "answer"
    assert first >= 1.0
