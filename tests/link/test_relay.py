"""The relay on real sockets: what a request costs, what is forwarded, and that nothing is lost or unbounded."""

import asyncio
import hashlib
import random
import socket
import statistics
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from link.model import Conditions
from support.eventually import eventually
from support.relay_fixture import ask, before, relayed, sized

RTT = 0.04
DELAYED_ACK = 0.04
"""Seconds Linux waits at least before it acknowledges alone; Nagle's algorithm holds a second piece back so long."""


async def columns(address: tuple[str, int], *sizes: int) -> list[tuple[float, ...]]:
    """Return the seconds each request took on seven connections, one after the other."""
    return list(zip(*[await ask(address, *sizes) for _ in range(7)], strict=True))


def check_round_trips(found: list[tuple[float, ...]], expected: list[int]) -> list[float]:
    """Return the medians after holding the requests against round trips: none takes less.

    Nor does the median take half a round trip more. How late a relay is beyond them is bench/link_cost.py's to say: on
    a machine that others use too, the milliseconds here are theirs.
    """
    for column, count in zip(found, expected, strict=True):
        assert count * RTT <= min(column)
        assert statistics.median(column) < (count + 0.5) * RTT
    return [statistics.median(column) for column in found]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((100, 100, 100), [2, 1, 1]), ((30_000, 30_000), [3, 1]), ((100_000, 100_000), [4, 1])],
)
@pytest.mark.timing
async def test_a_fresh_request_costs_handshake_and_slow_start_and_a_warm_one_a_round_trip(
    sizes: tuple[int, ...], expected: list[int], say: Callable[[str], None]
) -> None:
    """Small: two round trips, then one. 100 kB: four in all, then one."""

    async with relayed(Conditions(rtt=RTT)) as (_, address):
        found = check_round_trips(await columns(address, *sizes), expected)
        figures = ", ".join(f"{1e3 * taken:.1f}" for taken in found)
        say(f"{sizes[0]} B at 40 ms: {figures} ms, handshake included; round trips {expected}")


@pytest.mark.timing
async def test_idling_costs_slow_start_again(say: Callable[[str], None]) -> None:
    """100 kB after a second of rest take three round trips on a connection that was warm."""

    async with relayed(Conditions(rtt=RTT)) as (_, address):
        runs = await asyncio.gather(*(ask(address, 100_000, 100_000, rest=1.0) for _ in range(5)))
        second = statistics.median(run[1] for run in runs)
        assert 3 * RTT <= second < 4 * RTT
        say(f"100 kB after 1 s of rest at 40 ms: {1e3 * second:.1f} ms")


async def test_no_request_is_faster_than_the_link() -> None:
    """The lower bound is strict for every single one of many at once."""

    async with relayed(Conditions(rtt=RTT)) as (relay, address):
        runs = await asyncio.gather(*(ask(address, *[100] * 10) for _ in range(50)))
        assert min(run[0] for run in runs) >= 2 * RTT
        assert min(min(run[1:]) for run in runs) >= RTT
        assert relay.lateness.count


@pytest.mark.timing
async def test_without_conditions_it_is_a_plain_relay() -> None:
    """A relay that emulates nothing adds a small part of a round trip at most."""

    async with relayed(Conditions()) as (_, address):
        assert max(statistics.median(column) for column in await columns(address, 100, 100_000)) < RTT / 2


@pytest.mark.parametrize("rtt", [0.0, 0.02])
async def test_twenty_megabytes_each_way_arrive_intact(rtt: float) -> None:
    """Nothing is lost, repeated or reordered, both ways at once."""
    down, up = random.Random(1).randbytes(20 << 20), random.Random(2).randbytes(20 << 20)
    got: list[bytes] = []

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send() -> None:
            writer.write(down)
            writer.write_eof()
            await writer.drain()

        _, body = await asyncio.gather(send(), reader.read())
        got.append(hashlib.sha256(body).digest())
        writer.close()

    async with relayed(Conditions(rtt=rtt), upstream) as (relay, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(up)
        writer.write_eof()
        received = await reader.read()
        assert hashlib.sha256(received).digest() == hashlib.sha256(down).digest()
        writer.close()
        await eventually(lambda: bool(got))
        assert got == [hashlib.sha256(up).digest()]
        await eventually(lambda: relay.stats()["connections"]["open"] == 0)
        assert relay.stats()["bytes"] == {"down": len(down), "up": len(up)}


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_fin_is_forwarded_each_way_and_the_other_way_stays_open() -> None:
    """A client that ends its request still gets its answer, and then the upstream's FIN, in order."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read()
        writer.write(request.upper())
        writer.close()

    async with relayed(Conditions(rtt=RTT), upstream) as (relay, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"until the end")
        writer.write_eof()
        assert await reader.read() == b"UNTIL THE END"
        writer.close()
        await eventually(lambda: relay.stats()["connections"]["open"] == 0)


async def test_an_upstreams_reset_reaches_the_client_a_round_trip_later() -> None:
    """It is a reset and not an end of file, and what was sent before it comes first."""

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"half")
        await writer.drain()
        await reader.readline()
        reset_on_close(writer)

    async with relayed(Conditions(rtt=RTT), upstream) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"go\n")
        assert await reader.readexactly(4) == b"half"
        begin = time.perf_counter()
        writer.write(b"now\n")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert time.perf_counter() - begin >= RTT
        writer.close()


async def test_a_clients_reset_reaches_the_upstream() -> None:
    """The upstream gets a reset as well, so that it can count resets and FINs."""
    seen: list[str] = []

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readline():
                writer.write(b"ok")
        except ConnectionResetError:
            seen.append("reset")
        else:
            seen.append("fin")
        writer.close()

    async with relayed(Conditions(rtt=RTT), upstream) as (relay, address):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"go\n")
        await reader.readexactly(2)
        reset_on_close(writer)
        await eventually(lambda: bool(seen))
        assert seen == ["reset"]
        await eventually(lambda: relay.stats()["connections"]["open"] == 0)


async def test_a_client_that_leaves_before_the_handshake_is_over_is_never_seen() -> None:
    """Its reset is faster than the connection to the upstream, which is then not made."""
    seen: list[int] = []

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        writer.close()

    async with relayed(Conditions(rtt=RTT), upstream) as (relay, address):
        _, writer = await asyncio.open_connection(*address)
        reset_on_close(writer)
        await asyncio.sleep(3 * RTT)
        assert seen == []
        connections = relay.stats()["connections"]
        assert (connections["accepted"], connections["open"], connections["closed"]) == (1, 0, 1)


async def test_an_upstream_that_does_not_listen_resets_the_client() -> None:
    """Not a hang: one round trip, then a reset, and it is counted."""

    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed_port = taken.getsockname()
    async with before(Conditions(rtt=RTT), closed_port) as (relay, address):
        begin = time.perf_counter()
        reader, writer = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert time.perf_counter() - begin >= RTT
        writer.close()
        assert relay.stats()["connections"] == {"accepted": 1, "open": 0, "closed": 1, "refused_by_upstream": 1}


async def test_a_reader_that_is_slow_holds_the_upstream_back() -> None:
    """Memory is bounded: of 64 MB for a client that does not read, the upstream gets rid of a window's worth."""
    sent = 0

    async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with suppress(ConnectionError):
            for _ in range(1024):
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

    async with relayed(Conditions(rtt=0.005), upstream) as (_, address):
        with socket.create_connection(address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            earlier = -1
            while sent != earlier:
                earlier = sent
                await asyncio.sleep(0.3)
            assert 0 < sent < 32 << 20


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.timing
async def test_bandwidth_is_kept_and_shared(way: str) -> None:
    """Two connections that move a megabyte each at 32 Mbit/s need half a second together, headers included."""

    async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int(await reader.readline())
        await reader.readexactly(size)
        writer.write(b"!")
        writer.close()

    async def upload(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"%d\n" % (1 << 20) + bytes(1 << 20))
        await reader.readexactly(1)
        writer.close()

    conditions = Conditions(down=32e6) if way == "down" else Conditions(up=32e6)
    async with relayed(conditions, sized if way == "down" else drain) as (_, address):
        begin = time.perf_counter()
        if way == "down":
            await asyncio.gather(ask(address, 1 << 20), ask(address, 1 << 20))
        else:
            await asyncio.gather(upload(address), upload(address))
        least = 2 * (1 << 20) * 8 / 32e6
        assert least <= time.perf_counter() - begin < 1.5 * least


@pytest.mark.timing
async def test_it_measures_itself_with_real_sockets() -> None:
    """The private measurement finds the round trips, and that connect() is not delayed."""

    async with relayed(Conditions(rtt=RTT)) as (relay, _):
        measured = await relay.measure()
        assert measured.connect[0] < RTT / 2
        assert measured.fresh[0] >= 2 * RTT
        assert measured.warm[0] >= RTT
        assert relay.stats()["connections"]["accepted"] == 0


@pytest.mark.timing
async def test_a_response_in_two_pieces_is_not_held_back_between_them() -> None:
    """On a kept connection the gap between head and body is the upstream's own, not Linux's delayed ACK of 40 ms."""

    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(b"head")
            await asyncio.sleep(0.002)
            writer.write(b"body")
        writer.close()

    gaps = []
    async with relayed(Conditions(rtt=0.01), in_pieces) as (_, address):
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(30):
            writer.write(b"ask\n")
            await reader.readexactly(4)
            first = time.perf_counter()
            await reader.readexactly(4)
            gaps.append(time.perf_counter() - first)
        writer.close()
    assert statistics.median(gaps) < DELAYED_ACK / 2
