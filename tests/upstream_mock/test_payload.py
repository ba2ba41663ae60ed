"""Payloads: length, chunks and their gaps, gzip, framing, trailers, events."""

import asyncio
import base64
import gzip
import hashlib
import json
import time
import zlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from support.mock_upstream import RunMock, Running, both_loops
from upstream_mock.asgi import Message
from upstream_mock.client import Client
from upstream_mock.payload import PIECE_BYTES, Content, Filled, Framing, Payload, body_of
from upstream_mock.settings import Settings
from upstream_mock.state import Mock
from upstream_mock.work_response import WorkResponse

QUICK = "constant(0ms)"


@dataclass
class Got:
    """An answer as it came over the wire: chunks with the time of each since the request."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """All chunks."""
        return b"".join(self.chunks)


def fields(lines: bytes) -> dict[str, str]:
    """Header lines by name."""
    return dict(line.decode("latin-1").split(": ", 1) for line in lines.split(b"\r\n") if line)


async def ask(running: Running, target: str = "/work", *lines: str, method: str = "GET", version: str = "1.1") -> Got:
    """Ask on a kept connection and read by the answer's own framing, strictly."""
    head = "".join(f"{line}\r\n" for line in ("host: mock", *lines))
    reader, writer = await running.send(f"{method} {target} HTTP/{version}\r\n{head}\r\n".encode())
    began = time.perf_counter()
    first, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
    got = Got(int(first.split()[1]), fields(rest))
    async with asyncio.timeout(15):
        if method == "HEAD" or got.status in (204, 304):
            pass
        elif got.headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                got.chunks.append(await reader.readexactly(size))
                got.times.append(time.perf_counter() - began)
                assert await reader.readexactly(2) == b"\r\n"
            while (line := await reader.readline()) != b"\r\n":
                got.trailers |= fields(line.rstrip())
        elif "content-length" in got.headers:
            got.chunks.append(await reader.readexactly(int(got.headers["content-length"])))
        else:
            assert got.headers["connection"] == "close"
            got.chunks.append(await reader.read())
        if got.headers.get("connection") == "close":
            assert await reader.read() == b""
        else:  # and the connection is good for another one
            writer.write(b"GET /status/299 HTTP/1.1\r\nhost: mock\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 299 ")
    writer.close()
    return got


@pytest.mark.parametrize("length", [0, 1, 13, 14, 15, 120, PIECE_BYTES, 70_000, 200_000])
@pytest.mark.parametrize("chunks", [1, 3, 7, 10_000])
def test_the_text_has_its_length(length: int, chunks: int) -> None:
    """Exactly so many bytes, JSON where JSON fits, in so many chunks of nearly equal length, none of them empty."""
    body = body_of(Payload(length, chunks))
    pieces = [list(body.chunk(number)) for number in range(body.count)]
    text = b"".join(map(b"".join, pieces))
    assert len(text) == body.length == length
    assert body.count == min(chunks, max(1, length))
    sizes = {sum(map(len, chunk)) for chunk in pieces}
    assert max(sizes) - min(sizes) <= 1
    assert all(0 < len(piece) <= PIECE_BYTES for chunk in pieces for piece in chunk)
    assert body.content_type == (b"application/json" if length >= 14 else b"text/plain; charset=utf-8")
    if length >= 14:
        assert set(json.loads(text)) == {"payload"}


def test_any_cut_of_a_filled_text_is_that_of_the_whole() -> None:
    """Head, filling and tail, wherever one cuts."""
    filled = Filled(b"head", 5, b"tail")
    whole = b"".join(filled.pieces(0, len(filled)))
    assert whole == b"headxxxxxtail"
    for start in range(len(whole) + 1):
        for stop in range(start, len(whole) + 1):
            assert b"".join(filled.pieces(start, stop)) == whole[start:stop]


@pytest.mark.parametrize("content", ["json", "sse"])
@pytest.mark.parametrize("chunks", [1, 5])
def test_every_gzipped_chunk_can_be_read_when_it_has_come(content: Content, chunks: int) -> None:
    """It unpacks to the plain one; all together are one gzip file, the same each time it is made."""
    plain = body_of(Payload(100_000, chunks, content=content))
    packed, again = (body_of(Payload(100_000, chunks, encoding="gzip", content=content)) for _ in range(2))
    unpack = zlib.decompressobj(wbits=31)
    for number in range(chunks):
        chunk = b"".join(packed.chunk(number))
        assert chunk == b"".join(again.chunk(number))
        assert unpack.decompress(chunk) == b"".join(plain.chunk(number))
    assert unpack.eof
    assert packed.length == sum(len(piece) for number in range(chunks) for piece in packed.chunk(number)) < 2000


def test_events_are_events() -> None:
    """Each is `data: ...` and an empty line; the shortest has no data."""
    for length, chunks in ((1000, 7), (80, 10), (200_000, 2)):
        body = body_of(Payload(length, chunks, content="sse"))
        events = [b"".join(body.chunk(number)) for number in range(chunks)]
        assert sum(map(len, events)) == length
        for event in events:
            assert event.startswith(b"data: ")
            assert event.endswith(b"\n\n")
            assert event.count(b"\n") == 2


def has_in_flight(running: Running, number: int) -> bool:
    return running.mock.requests.total.in_flight == number


FRAMINGS = ["content-length", "chunked", "close"]


def check(got: Got, *, length: int, chunks: int, framing: str, encoding: str) -> None:
    """The body is all there, and its headers say what they must and nothing else."""
    assert got.status == 200
    text = gzip.decompress(got.body) if encoding == "gzip" else got.body
    assert len(text) == length
    assert got.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
    assert ("content-length" in got.headers) == (framing == "content-length")
    assert ("transfer-encoding" in got.headers) == (framing == "chunked")
    assert (got.headers.get("connection") == "close") == (framing == "close")
    assert "server-timing" in got.headers
    if framing == "chunked" and 0 < length < PIECE_BYTES:
        assert len(got.chunks) == min(chunks, length)


@both_loops
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_every_framing_carries_every_body(run_mock: RunMock, encoding: str) -> None:
    """Asked for by the request; and the connection goes on, or is closed where that is the end."""
    async with run_mock(latency=QUICK) as running:
        for framing in FRAMINGS:
            for length, chunks in ((0, 1), (120, 1), (120, 7), (300_000, 3)):
                asked = f"bytes={length}&chunks={chunks}&encoding={encoding}&framing={framing}"
                got = await ask(running, f"/work?{asked}")
                check(got, length=length, chunks=chunks, framing=framing, encoding=encoding)
                head = await ask(running, f"/work?{asked}", method="HEAD")
                assert head.headers.keys() ^ got.headers.keys() <= {"transfer-encoding"}
        await running.until(lambda: not running.mock.requests.total.in_flight)
        assert running.mock.requests.total.abandoned == 0


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_the_environment_sets_it_for_all(run_mock: RunMock, framing: str) -> None:
    """The same by variables."""
    async with run_mock(latency=QUICK, payload_bytes=500, chunks=7, encoding="gzip", framing=framing) as running:
        for _ in range(2):
            check(await ask(running), length=500, chunks=7, framing=framing, encoding="gzip")


async def test_a_bodiless_status_has_no_body(run_mock: RunMock) -> None:
    """204 and 304 in any framing; uvicorn would break the connection over a length it is not sent."""
    async with run_mock(latency=QUICK) as running:
        for status in (204, 304):
            for query in ("", *(f"&framing={framing}&chunks=3" for framing in FRAMINGS)):
                got = await ask(running, f"/work?status={status}{query}")
                assert got.status == status
                assert not {"content-length", "transfer-encoding"} & got.headers.keys()


@both_loops
async def test_chunks_come_with_gaps(run_mock: RunMock) -> None:
    """The head at once, then a chunk every 30 ms and never sooner; HEAD waits for none of them."""
    async with run_mock(latency=QUICK, chunks=5, chunk_gap_ms=30, framing="chunked") as running:
        got = await ask(running)
        assert len(got.chunks) == 5
        # Between the second chunk and the last the mock waited three times.
        assert got.times[4] - got.times[1] >= 0.03 * 3 - 0.03
        assert got.times[4] >= 0.03 * 4
        assert got.times[0] < got.times[4] / 2
        assert running.mock.lateness.count == 4
        await ask(running, method="HEAD")
        assert running.mock.lateness.count == 4


async def test_the_first_chunk_waits_for_no_gap(run_mock: RunMock) -> None:
    """There is one between two chunks, none before the first and none after the last."""
    async with run_mock(latency=QUICK, chunks=2, chunk_gap_ms=200, framing="chunked") as running:
        got = await ask(running)
        assert got.times[0] < 0.4 * got.times[1]
        assert running.mock.lateness.count == 1


async def test_nothing_is_made_for_a_client_that_has_left() -> None:
    """The client leaves after three pieces of a body of 100 MB: there is no fourth."""
    mock, client = Mock(Settings()), Client()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 4:
            client.leave()

    scope = {"method": "GET", "http_version": "1.1"}
    await WorkResponse(Payload(100_000_000)).give(mock.pause, client, scope, send, status=200, timing=b"")
    assert [message["type"][-4:] for message in sent] == ["tart", "body", "body", "body"]


async def test_over_http_2_there_are_no_headers_of_a_connection() -> None:
    """No header of a connection, and trailers as ASGI's extension has them, which uvicorn offers there."""

    async def messages(framing: Framing | None, *, trailers: bool) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"method": "GET", "http_version": "2", "extensions": {"http.response.trailers": {}}}
        answer = WorkResponse(Payload(50, 2, framing=framing, trailers=trailers))
        await answer.give(Mock(Settings()).pause, Client(), scope, send, status=200, timing=b"t")
        assert b"".join(message.get("body", b"") for message in sent) == b'{"payload":"' + b"x" * 36 + b'"}'
        return sent

    framings: dict[Framing, bool] = {"close": False, "chunked": False, "content-length": True}
    for framing, length in framings.items():
        start = (await messages(framing, trailers=False))[0]
        names = {name for name, _ in start["headers"]}
        assert not names & {b"connection", b"transfer-encoding"}
        assert (b"content-length" in names) == length
        assert "trailers" not in start
    start, *_, last, end = await messages(None, trailers=True)
    assert start["trailers"] is True
    assert (last["type"], last.get("more_body", False)) == ("http.response.body", False)
    assert (end["type"], end["headers"][0][0]) == ("http.response.trailers", b"content-digest")


async def test_a_client_that_leaves_between_chunks_ends_the_dribble(run_mock: RunMock) -> None:
    """Nothing is sent for a minute to a client that is gone."""
    async with run_mock(latency=QUICK, chunks=3, chunk_gap_ms=60_000, framing="chunked") as running:
        reader, writer = await running.send(b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await running.until(lambda: running.mock.requests.total.abandoned == 1)


async def test_a_slow_reader_is_waited_for(run_mock: RunMock) -> None:
    """Of 100 MB that are not read, no more is made than fits into the sockets; it is never in memory as a whole."""

    def resident_bytes() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    for framing in FRAMINGS:
        async with run_mock(latency=QUICK, payload_bytes=100_000_000, framing=framing) as running:
            before = resident_bytes()
            _, writer = await running.send(b"")
            cast("asyncio.Transport", writer.transport).pause_reading()
            writer.write(b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n")
            await running.until(partial(has_in_flight, running, number=1))
            await asyncio.sleep(0.3)
            assert running.mock.requests.total.in_flight == 1
            assert resident_bytes() - before < 30_000_000
            writer.transport.abort()
            await running.until(partial(has_in_flight, running, number=0))
            assert running.mock.requests.total.abandoned == 1


@both_loops
@pytest.mark.parametrize(
    ("length", "chunks", "encoding"), [(0, 1, "identity"), (120, 4, "identity"), (9000, 2, "gzip")]
)
async def test_trailers(run_mock: RunMock, length: int, chunks: int, encoding: str) -> None:
    """Announced, after the last chunk, and right: the digest is that of the bytes that came."""
    settings = {"payload_bytes": length, "chunks": chunks, "encoding": encoding, "trailers": True}
    async with run_mock(latency=QUICK, **settings) as running:
        got = await ask(running)
        digest = base64.b64encode(hashlib.sha256(got.body).digest()).decode()
        assert got.headers["trailer"] == "content-digest"
        assert got.headers["transfer-encoding"] == "chunked"
        assert got.trailers == {"content-digest": f"sha-256=:{digest}:"}
        assert (await ask(running, method="HEAD")).headers["trailer"] == "content-digest"
        assert (await ask(running, "/work?trailers=false")).trailers == {}
    async with run_mock(latency=QUICK) as running:
        assert (await ask(running)).trailers == {}
        assert (await ask(running, "/work?trailers=true")).trailers.keys() == {"content-digest"}


async def test_http_1_0_gets_no_chunks(run_mock: RunMock) -> None:
    """It could not read them; the end of the connection is the end of the answer, and trailers are left out."""
    for more in ({}, {"trailers": True}, {"content": "sse"}):
        async with run_mock(latency=QUICK, framing="chunked", chunks=3, **more) as running:
            got = await ask(running, version="1.0")
            assert len(got.body) == 120
            assert got.headers["connection"] == "close"
            assert "transfer-encoding" not in got.headers


async def test_server_sent_events(run_mock: RunMock) -> None:
    """As text/event-stream, unbuffered: an event is there before the next one is made."""
    async with run_mock(latency=QUICK, content="sse", chunks=3, chunk_gap_ms=30) as running:
        got = await ask(running)
        assert got.headers["content-type"] == "text/event-stream"
        assert got.headers["cache-control"] == "no-store"
        assert [chunk.startswith(b"data: x") for chunk in got.chunks] == [True] * 3
        assert got.times[2] - got.times[0] > 0.03
        plain = await ask(running, "/work?content=json")
        assert plain.headers["content-type"] == "application/json"


async def test_a_full_queue_is_503_at_once(run_mock: RunMock) -> None:
    """With Retry-After and a name of its own; counted, and it costs no server."""
    async with run_mock(latency="constant(60s)", capacity=1, queue=1) as running:
        for _ in range(2):
            await running.send(b"GET /work HTTP/1.1\r\nhost: mock\r\n\r\n")
        await running.until(lambda: running.mock.capacity.waiting == 1)
        for count in range(1, 4):
            got = await ask(running, method="POST")
            assert (got.status, got.headers["x-upstream-error"], got.headers["retry-after"]) == (
                503,
                "queue_full",
                "1",
            )
            assert json.loads(got.body) == {"error": "UPSTREAM_QUEUE"}
            said = running.mock.stats()["capacity"]
            assert (said["queue"], said["refused"], said["waiting"], said["busy"]) == (1, count, 1, 1)
        assert running.mock.stats()["requests"]["in_flight"] == 2
        running.mock.reset()
        assert running.mock.stats()["capacity"]["refused"] == 0
