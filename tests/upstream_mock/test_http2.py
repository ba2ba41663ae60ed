"""HTTP/2: many requests on one connection, counted as exactly as those of HTTP/1.1."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from support.mock_upstream import RunMock, both_loops
from support.raw_http import roundtrip, split
from support.servers import running_proxy

pytestmark = pytest.mark.slow

SECURE = {"tls": "on", "http2": True}


def client_of(running: Any, directory: Path, **options: Any) -> httpx.AsyncClient:
    """A client that speaks HTTP/2 if it may."""
    trust = ssl.create_default_context(cafile=directory / "ca.pem")
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{running.data}", verify=trust, http2=True, **options)


class RawClient:
    """Frames by hand, for what no polite client does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.events: list[h2.events.Event] = []
        self._reader, self._writer = reader, writer
        self.state.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what the state machine has made."""
        self._writer.write(self.state.data_to_send())

    def get(self, path: str, *headers: tuple[str, str]) -> int:
        """Ask; returns the stream's number."""
        number = self.state.get_next_available_stream_id()
        pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "mock"), (":path", path)]
        self.state.send_headers(number, [*pseudo, *headers], end_stream=True)
        self.flush()
        return number

    async def read(self, *, until: type[h2.events.Event] | None = None) -> None:
        """Read until such an event, or to the end."""
        while data := await self._reader.read(65_536):
            found = self.state.receive_data(data)
            self.events += found
            self.flush()
            if until is not None and any(isinstance(event, until) for event in found):
                return

    def seen(self, kind: type[h2.events.Event]) -> list[Any]:
        """The events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


@contextlib.asynccontextmanager
async def raw(running: Any, directory: Path) -> AsyncIterator[RawClient]:
    """A connection that speaks HTTP/2, cut at the end."""
    trust = ssl.create_default_context(cafile=directory / "ca.pem")
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", running.data, ssl=trust)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@both_loops
async def test_a_hundred_at_once_share_one_connection(run_mock: RunMock, tmp_path: Path) -> None:
    """One accepted, a hundred requests of two runs, all in flight together, all completed."""
    async with run_mock(latency="constant(2s)", tls_directory=tmp_path, **SECURE) as running:
        total = running.mock.requests.total
        async with client_of(running, tmp_path) as client:
            await client.get("/get")  # the connection is there
            asked = [
                asyncio.create_task(client.get("/work", headers={"x-sandbox-run": f"{number % 2}"}))
                for number in range(100)
            ]
            await running.until(lambda: total.in_flight == 100)
            answers = [await each for each in asked]
            assert {(answer.status_code, answer.http_version) for answer in answers} == {(200, "HTTP/2")}
            assert all(len(answer.content) == 120 for answer in answers)
            assert "server-timing" in answers[0].headers
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        each = {"started": 50, "completed": 50, "abandoned": 0, "faulted": 0, "in_flight": 0}
        assert stats["runs"] == {"0": each, "1": each}
        assert stats["connections"]["accepted"] == 1
        assert stats["connections"]["requests_per_connection"] == {"mean": 101.0, "max": 101}
        assert stats["connections"]["closed_by"]["client"] == 1
        assert stats["tls"]["alpn"] == {"h2": 1}
        rows = running.log.page(None, 0)["requests"]
        assert {row["connection"] for row in rows} == {1}
        assert {row["outcome"] for row in rows} == {"completed"}


@both_loops
async def test_a_client_of_http1_is_served_too(run_mock: RunMock, tmp_path: Path) -> None:
    """ALPN decides, connection by connection."""
    async with run_mock(latency="constant(0ms)", tls_directory=tmp_path, **SECURE) as running:
        trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        async with httpx.AsyncClient(verify=trust) as client, client_of(running, tmp_path) as modern:
            answer = await client.get(f"https://127.0.0.1:{running.data}/work")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
            assert (await modern.get("/work")).http_version == "HTTP/2"
        assert running.mock.handshakes.alpn == {"http/1.1": 1, "h2": 1}


@both_loops
async def test_a_cancelled_stream_stops_the_work(run_mock: RunMock, tmp_path: Path) -> None:
    """One of two gives up: its server is free, the other goes on, the connection stays."""
    async with run_mock(latency="constant(60s)", capacity=2, tls_directory=tmp_path, **SECURE) as running:
        capacity = running.mock.capacity
        async with raw(running, tmp_path) as client:
            first = client.get("/work", ("x-sandbox-run", "r"))
            client.get("/work", ("x-sandbox-run", "r"))
            await running.until(lambda: capacity.busy == 2)
            client.state.reset_stream(first)
            client.flush()
            await running.until(lambda: capacity.busy == 1)
            runs = running.mock.stats()["runs"]
            assert runs == {"r": {"started": 2, "completed": 0, "abandoned": 1, "faulted": 0, "in_flight": 1}}
            assert len(running.mock.connections.open) == 1
        await running.until(lambda: capacity.busy == 0)
        assert running.mock.stats()["runs"]["r"]["abandoned"] == 2
        (row,) = running.mock.connections.page(0)["connections"]
        assert row["requests"] == 2
        assert row["closed_by"] in ("client", "client-reset")


@both_loops
async def test_an_answer_that_does_not_fit_the_window_is_not_completed(run_mock: RunMock, tmp_path: Path) -> None:
    """The app is done, but the client takes 64 kB and no more: abandoned if it leaves, completed if it takes it."""
    size = 300_000
    async with run_mock(latency="constant(0ms)", payload_bytes=size, tls_directory=tmp_path, **SECURE) as running:
        total = running.mock.requests.total
        for stays in (True, False):
            async with raw(running, tmp_path) as client:
                number = client.get("/work")
                received = 0
                while received < 65_535:
                    await client.read(until=h2.events.DataReceived)
                    received = sum(len(event.data) for event in client.seen(h2.events.DataReceived))
                await asyncio.sleep(0.05)
                assert (total.completed, total.in_flight) == (0 if stays else 1, 1)
                if stays:
                    client.state.increment_flow_control_window(size)
                    client.state.increment_flow_control_window(size, number)
                    client.flush()
                    await client.read(until=h2.events.StreamEnded)
                    assert sum(len(event.data) for event in client.seen(h2.events.DataReceived)) == size
                    await running.until(lambda: total.in_flight == 0)
            await running.until(lambda: total.in_flight == 0)
        assert (total.completed, total.abandoned) == (1, 1)


@both_loops
async def test_a_body_is_taken(run_mock: RunMock, tmp_path: Path) -> None:
    """More than a window of upload, echoed."""
    async with (
        run_mock(latency="constant(0ms)", tls_directory=tmp_path, **SECURE) as running,
        client_of(running, tmp_path) as client,
    ):
        answer = await client.post("/anything", content=b"x" * 200_000)
        assert len(answer.json()["data"]) == 200_000
        assert (await client.post("/work", content=b"x" * 200_000)).status_code == 200
        assert len((await client.get("/bytes/1000000")).content) == 1_000_000


@both_loops
async def test_after_so_many_requests_it_sends_goaway(
    run_mock: RunMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was asked before is answered, what comes after is refused unworked, and then the connection ends."""
    settings = {"max_requests_per_connection": 3}
    async with run_mock(latency="constant(200ms)", tls_directory=tmp_path, **SECURE, **settings) as running:
        async with raw(running, tmp_path) as client:
            # In one packet, so that the fourth is on its way before the client can know.
            monkeypatch.setattr(client, "flush", lambda: None)
            numbers = [client.get("/work") for _ in range(4)]
            monkeypatch.undo()
            client.flush()
            # h2 takes GOAWAY for the end of everything, so the frames are looked at one layer below.
            raw_bytes = b""
            while data := await client._reader.read(65_536):
                raw_bytes += data
        kinds = frames(raw_bytes)
        assert ("goaway", numbers[2]) in kinds
        assert ("rst", numbers[3]) in kinds
        assert [stream for kind, stream in kinds if kind == "headers"] == numbers[:3]
        await running.until(lambda: not running.mock.connections.open)
        stats = running.mock.stats()
        assert stats["requests"] == {"started": 3, "completed": 3, "abandoned": 0, "faulted": 0, "in_flight": 0}
        assert stats["connections"]["closed_by"]["server"] == 1


def frames(data: bytes) -> list[tuple[str, int]]:
    """Kind and stream of the frames that matter here (RFC 9113 section 4.1); of GOAWAY, the last stream."""
    found = []
    while data:
        length, kind, stream = int.from_bytes(data[:3]), data[3], int.from_bytes(data[5:9])
        payload, data = data[9 : 9 + length], data[9 + length :]
        if kind == 7:
            found.append(("goaway", int.from_bytes(payload[:4])))
        elif kind in (1, 3):
            found.append(("headers" if kind == 1 else "rst", stream))
    return found


@both_loops
async def test_idle_and_nonsense(run_mock: RunMock, tmp_path: Path) -> None:
    """An idle connection is closed by the server after its time; one that does not speak HTTP/2 after all is closed."""
    async with run_mock(latency="constant(0ms)", keepalive_seconds=0.2, tls_directory=tmp_path, **SECURE) as running:
        async with raw(running, tmp_path) as client:
            client.get("/work")
            await client.read()
            assert client.seen(h2.events.ConnectionTerminated)
        async with raw(running, tmp_path) as client:
            client._writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
            with contextlib.suppress(OSError):
                await client._reader.read(-1)
        await running.until(lambda: not running.mock.connections.open)
        closed = running.mock.connections.closed_by
        assert (closed["server-idle"], closed["server"]) == (1, 1)


@both_loops
async def test_the_end_waits_for_what_is_in_flight(run_mock: RunMock, tmp_path: Path) -> None:
    """As with HTTP/1.1: the answers begun are given, then the connection is closed."""
    async with contextlib.AsyncExitStack() as stack:
        async with run_mock(latency="constant(1s)", tls_directory=tmp_path, **SECURE) as running:
            client = await stack.enter_async_context(client_of(running, tmp_path))
            asked = [asyncio.create_task(client.get("/work")) for _ in range(5)]
            await running.until(lambda: running.mock.requests.total.in_flight == 5)
        assert [(await each).status_code for each in asked] == [200] * 5


@pytest.mark.parametrize("name", ["httpx", "httpx2", "pyreqwest"])
async def test_through_the_proxy(run_mock: RunMock, tmp_path: Path, name: str) -> None:
    """PROXY_HTTP2 with the mock's own certificate: twenty at once on one connection, and both sides count the same."""
    async with (
        run_mock(latency="constant(200ms)", tls_directory=tmp_path, **SECURE) as running,
        running_proxy(
            f"https://127.0.0.1:{running.data}", client=name, http2=True, ca_file=tmp_path / "ca.pem"
        ) as proxy,
    ):
        request = b"GET /work HTTP/1.1\r\nHost: a\r\nX-Sandbox-Run: r\r\nX-Request-Id: %d\r\nConnection: close\r\n\r\n"
        await roundtrip(proxy.port, request % 0)
        answers = await asyncio.gather(*(roundtrip(proxy.port, request % number) for number in range(1, 20)))
        assert [split(answer)[0] for answer in answers] == [200] * 19
        stats = running.mock.stats()
        assert stats["runs"] == {"r": {"started": 20, "completed": 20, "abandoned": 0, "faulted": 0, "in_flight": 0}}
        assert stats["connections"]["accepted"] == 1
        assert stats["tls"]["alpn"] == {"h2": 1}
        rows = running.log.page("r", 0)["requests"]
        assert {row["request_id"] for row in rows} == {str(number) for number in range(20)}
        # A client that leaves the proxy leaves the mock too.
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET /delay/10 HTTP/1.1\r\nHost: a\r\nX-Sandbox-Run: gone\r\n\r\n")
        await running.until(lambda: running.mock.requests.total.in_flight == 1)
        writer.close()
        await running.until(lambda: running.mock.requests.total.in_flight == 0)
        assert running.mock.stats()["runs"]["gone"]["abandoned"] == 1
