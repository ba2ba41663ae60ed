"""What loss, idling, resets and partitions do to a connection through the relay, on real sockets."""

import asyncio
import math
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from link.model import MSS, Conditions
from link.relay import Relay
from link.stages import Partition
from link.tcp_recovery import again
from support.relay_fixture import ask, relayed

RTT = 0.04

Say = Callable[[str], None]


async def meets(conditions: Conditions, rest: float = 0.0, patience: float = 0.6) -> tuple[str, float]:
    """Return the outcome of the second of two small requests after a rest, and the seconds that the first took."""

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
async def test_what_a_request_after_a_rest_meets(conditions: Conditions, met: str) -> None:
    """Silence or a reset, as the conditions say; without reason an answer."""
    assert (await meets(conditions, rest=0.5))[0] == met


async def test_a_partition_that_ends_costs_the_time_outs_of_the_handshake(say: Say) -> None:
    """A SYN that is dropped is sent again a second later, which the first request pays."""
    met, first = await meets(Conditions(partition=Partition(0.0, 0.5)), patience=3.0)
    assert met == "answer"
    assert first >= 1.0
    say(f"partition of 0.5 s from the beginning: first request {1e3 * first:.0f} ms")


def near(count: int, tries: int, share: float) -> bool:
    """Whether `count` of `tries` is within four standard deviations of a share."""
    return abs(count - tries * share) <= 4 * math.sqrt(tries * share * (1 - share))


@pytest.mark.timing
async def test_loss_stalls_the_share_of_requests_of_the_formulas(say: Say) -> None:
    """Of single segments each way at 5 % 9.75 % wait for a time-out, and of handshakes as many for a second."""
    loss, connections, requests = 0.05, 200, 10
    share = 1 - (1 - loss) ** 2
    async with relayed(Conditions(rtt=RTT, loss=loss)) as (_, address):
        rows = await asyncio.gather(*(ask(address, *[1] * requests) for _ in range(connections)))
    slow = sum(row[0] >= 1.0 for row in rows)
    later = [taken for row in rows for taken in row[1:]]
    stalled = [taken for taken in later if taken >= RTT + again(RTT, 0)]
    assert min(later) >= RTT
    assert near(slow, connections, share)
    assert near(len(stalled), len(later), share)
    say(f"5 % loss each way: {slow} of {connections} handshakes waited a second (expected {connections * share:.0f}), "
        f"{len(stalled)} of {len(later)} requests a time-out (expected {len(later) * share:.0f}), "
        f"their median {1e3 * statistics.median(stalled):.0f} ms")  # fmt: skip


@pytest.mark.timing
async def test_a_long_transfer_at_a_loss_keeps_to_mathis_cap(say: Say) -> None:
    """2 MB each on four connections at 1 % and 10 ms: within a factor of two of MSS/RTT * sqrt(3/(2p))."""
    rtt, loss, size = 0.01, 0.01, 2 << 20
    async with relayed(Conditions(rtt=rtt, loss=loss)) as (_, address):
        rows = await asyncio.gather(*(ask(address, 1, size) for _ in range(4)))
    rate = statistics.median(size / row[1] for row in rows)
    cap = MSS / rtt * math.sqrt(3 / (2 * loss))
    assert cap / 2 <= rate <= 2 * cap
    say(f"1 % loss, 10 ms: {rate / 1e6:.2f} MB/s for 2 MB, {rate / cap:.2f} of Mathis' cap")


@pytest.mark.timing
async def test_a_slow_accept_delays_the_first_request_alone(say: Say) -> None:
    """Two round trips and the delay, then one."""
    async with relayed(Conditions(rtt=RTT, accept_delay=0.2)) as (_, address):
        rows = await asyncio.gather(*(ask(address, 1, 1) for _ in range(7)))
    first, second = (statistics.median(column) for column in zip(*rows, strict=True))
    assert 2 * RTT + 0.2 <= first < 2 * RTT + 0.25
    assert RTT <= second < 2 * RTT
    say(f"accept delayed by 200 ms at 40 ms: first request {1e3 * first:.1f} ms, second {1e3 * second:.1f} ms")


async def one_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Ask for a byte on an open connection, and return the seconds until it is there."""
    begin = time.perf_counter()
    writer.write(b"1\n")
    await reader.readexactly(1)
    return time.perf_counter() - begin


@pytest.mark.timing
async def test_a_request_in_a_partition_waits_for_the_time_outs_and_one_after_it_does_not(say: Say) -> None:
    """On an open connection: sent 0.1 s into it, the answer comes after its end and before the time-out after that."""
    end = 0.7
    async with relayed(Conditions(rtt=RTT)) as (relay, address):
        reader, writer = await asyncio.open_connection(*address)
        request = partial(one_byte, reader, writer)
        await request()
        relay.change(Conditions(rtt=RTT, partition=Partition(0.0, end)), time.monotonic())
        await asyncio.sleep(0.1)
        waited, after = await request(), await request()
        writer.close()
    assert end - 0.1 <= waited < again(RTT, 0) + again(RTT, 1) + again(RTT, 2) + 2 * RTT
    assert RTT <= after < 2 * RTT
    say(f"partition of {end} s: a request sent 0.1 s into it took {1e3 * waited:.0f} ms, the next {1e3 * after:.1f} ms")


@pytest.mark.timing
async def test_a_change_concerns_open_connections_and_new_ones_at_once(say: Say) -> None:
    """From none to 40 ms, to a loss, to an idle drop that counts from now, to a reset, on one open connection."""

    async with relayed(Conditions()) as (relay, address):
        reader, writer = await asyncio.open_connection(*address)

        request = partial(one_byte, reader, writer)
        none = min([await request() for _ in range(5)])
        relay.change(Conditions(rtt=RTT), 0.0)
        some = min([await request() for _ in range(5)])
        fresh = min([(await ask(address, 1))[0] for _ in range(5)])
        assert none < RTT / 4
        assert RTT <= some < 2 * RTT <= fresh < 3 * RTT
        relay.change(Conditions(rtt=RTT, loss=1.0), 0.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(address, 1), 0.3)
        relay.change(Conditions(idle_drop=0.2), 0.0)
        assert await request() < 0.2
        relay.change(Conditions(resets=1.0), 0.0)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await request()
        writer.close()
        relay.change(Conditions(), 0.0)
        assert min([(await ask(address, 1))[0] for _ in range(5)]) < RTT / 4
        say(f"changed while running: {1e3 * none:.2f} ms, then {1e3 * some:.1f} ms on the same connection and "
            f"{1e3 * fresh:.1f} ms on a new one")  # fmt: skip
