"""TLS on the data port: versions, failures by reason, and the same counts as without it."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from support.mock_upstream import RunMock, both_loops
from support.raw_http import roundtrip, split
from support.servers import running_proxy

REQUEST = b"GET %s HTTP/1.1\r\nhost: mock\r\nx-sandbox-run: r\r\n\r\n"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def trusting(directory: Path, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that trusts the mock, and speaks one version only if it is set to."""
    context = ssl.create_default_context(cafile=directory / "ca.pem")
    if only is not None:
        context.minimum_version = context.maximum_version = only
    return context


@contextlib.asynccontextmanager
async def secure(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through TLS, cut at the end if it is still open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer's head; its body is read too."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return head


@both_loops
@pytest.mark.parametrize(
    ("versions", "spoken", "refused"),
    [("on", {V12, V13}, set()), ("1.2", {V12}, {V13}), ("1.3", {V13}, {V12})],
)
async def test_versions(
    run_mock: RunMock, tmp_path: Path, versions: str, spoken: set[ssl.TLSVersion], refused: set[ssl.TLSVersion]
) -> None:
    """The client gets what UPSTREAM_TLS has, and a failed handshake otherwise; both are counted."""
    async with run_mock(latency="constant(0ms)", tls=versions, tls_directory=tmp_path) as running:
        for version in spoken:
            async with secure(running.data, trusting(tmp_path, version)) as (reader, writer):
                writer.write(REQUEST % b"/work")
                assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        for version in refused:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                async with secure(running.data, trusting(tmp_path, version)):
                    pass
        handshakes = running.mock.handshakes
        await running.until(lambda: handshakes.failed.total() == len(refused))
        stats = handshakes.as_json()
        names = {V12: "TLSv1.2", V13: "TLSv1.3"}
        assert stats["versions"] == dict.fromkeys((names[each] for each in spoken), 1)
        assert (stats["handshakes"], stats["failed"]) == (len(spoken), len(refused))
        assert running.mock.connections.accepted == len(spoken)


@both_loops
async def test_failures_have_their_reason(run_mock: RunMock, tmp_path: Path) -> None:
    """No trust, plain HTTP, a client that leaves, nonsense; none of them is a connection or a log."""
    async with run_mock(latency="constant(0ms)", tls="on", tls_directory=tmp_path) as running:
        failed = running.mock.handshakes.failed
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(httpx.get, f"https://127.0.0.1:{running.data}/work")
        await running.until(lambda: failed.total() == 1)
        reader, _ = await running.send(REQUEST % b"/work")
        assert b"200 OK" not in await reader.read()
        await running.until(lambda: failed.total() == 2)
        _, writer = await running.send(b"")
        writer.close()
        await running.until(lambda: running.mock.handshakes.left == 1)
        assert dict(failed) == {"tlsv1_alert_unknown_ca": 1, "http_request": 1}
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{running.control}/-/metrics")).text
        assert 'upstream_tls_handshakes_total{outcome="failed"} 2\n' in metrics
        assert 'upstream_tls_handshakes_total{outcome="left"} 1\n' in metrics
        assert running.mock.connections.accepted == 0
        async with secure(running.data, trusting(tmp_path)) as (reader, writer):  # it still serves
            writer.write(REQUEST % b"/work")
            await answer(reader)


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
async def test_a_resumed_session_is_reported(run_mock: RunMock, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A client that keeps its session shakes hands the short way."""

    def twice(port: int) -> list[bool | None]:
        context, session, reused = trusting(tmp_path, version), None, []
        for _ in range(2):
            plain = socket.create_connection(("127.0.0.1", port))
            with plain, context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
                tls.sendall(REQUEST % b"/work")
                assert tls.recv(10_000)  # TLS 1.3 sends the session after the handshake
                session = tls.session
                reused.append(tls.session_reused)
        return reused

    async with run_mock(latency="constant(0ms)", tls="on", tls_directory=tmp_path) as running:
        assert await asyncio.to_thread(twice, running.data) == [False, True]
        stats = running.mock.handshakes.as_json()
        assert (stats["handshakes"], stats["resumed"]) == (2, 1)


@both_loops
async def test_the_side_that_closed_is_logged(run_mock: RunMock, tmp_path: Path) -> None:
    """The client, the server after its last answer, the server when it was idle: distinguished as without TLS."""
    settings = {"max_requests_per_connection": 2, "keepalive_seconds": 0.2}
    async with run_mock(latency="constant(0ms)", tls="on", tls_directory=tmp_path, **settings) as running:
        context = trusting(tmp_path)
        async with secure(running.data, context) as (reader, writer):  # it goes without a word
            writer.write(REQUEST % b"/work")
            await answer(reader)
        async with secure(running.data, context) as (reader, writer):  # it sends close_notify
            writer.write(REQUEST % b"/work")
            await answer(reader)
            writer.close()
            await writer.wait_closed()
        async with secure(running.data, context) as (reader, writer):  # idle
            writer.write(REQUEST % b"/work")
            await answer(reader)
            assert await reader.read() == b""
        async with secure(running.data, context) as (reader, writer):  # as many as are allowed
            for last in (False, True):
                writer.write(REQUEST % b"/work")
                assert (b"connection: close" in await answer(reader)) == last
            assert await reader.read() == b""
        await running.until(lambda: not running.mock.connections.open)
        assert running.mock.connections.closed_by == {
            "client": 2,
            "client-reset": 0,
            "server": 1,
            "server-idle": 1,
        }
        rows = running.mock.connections.page(0)["connections"]
        assert {row["tls"] for row in rows} == {"TLSv1.3"}


async def test_an_idle_connection_is_closed_though_the_client_does_not_look(run_mock: RunMock, tmp_path: Path) -> None:
    """A pooled client reads nothing between requests: FIN comes without its close_notify, and not 30 s later."""

    def idle(port: int) -> float:
        plain = socket.create_connection(("127.0.0.1", port))
        with plain, trusting(tmp_path).wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(REQUEST % b"/work")
            assert tls.recv(10_000)
            return done.wait(5)

    import threading

    done = threading.Event()

    async with run_mock(tls="on", tls_directory=tmp_path, latency="constant(0ms)", keepalive_seconds=0.2) as running:
        client = asyncio.create_task(asyncio.to_thread(idle, running.data))
        await running.until(lambda: running.mock.connections.closed_by["server-idle"] == 1)
        assert not done.is_set()
        done.set()
        await client


@both_loops
async def test_the_work_stops_when_the_client_leaves(run_mock: RunMock, tmp_path: Path) -> None:
    """Through TLS too: abandoned, and the server is free for the next."""
    async with run_mock(latency="constant(60s)", capacity=1, tls="on", tls_directory=tmp_path) as running:
        async with secure(running.data, trusting(tmp_path)) as (_, writer):
            writer.write(REQUEST % b"/work")
            await running.until(lambda: running.mock.capacity.busy == 1)
        await running.until(lambda: running.mock.capacity.busy == 0)
        assert running.mock.stats()["runs"] == {
            "r": {"started": 1, "completed": 0, "abandoned": 1, "faulted": 0, "in_flight": 0}
        }


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp", "pyreqwest"])
async def test_through_the_proxy(run_mock: RunMock, tmp_path: Path, name: str) -> None:
    """PROXY_CA_FILE is all that a client needs; without it the proxy answers 502 and the mock has no connection."""
    async with run_mock(latency="constant(20ms)", tls="on", tls_directory=tmp_path) as running:
        url = f"https://127.0.0.1:{running.data}"
        request = b"GET /work HTTP/1.1\r\nHost: a\r\nX-Sandbox-Run: r\r\nConnection: close\r\n\r\n"
        async with running_proxy(url, client=name) as proxy:
            assert split(await roundtrip(proxy.port, request))[0] == 502
        assert running.mock.connections.accepted == 0
        async with running_proxy(url, client=name, ca_file=tmp_path / "ca.pem", max_connections=4) as proxy:
            for _ in range(3):
                answers = await asyncio.gather(*(roundtrip(proxy.port, request) for _ in range(4)))
                assert [split(answer)[0] for answer in answers] == [200] * 4
            assert 1 <= running.mock.connections.accepted < 12
            assert running.mock.handshakes.done == running.mock.connections.accepted
        assert running.mock.stats()["runs"]["r"]["completed"] == 12


@both_loops
async def test_a_slow_client_gets_all_of_the_last_answer(run_mock: RunMock, tmp_path: Path) -> None:
    """Five megabytes and `Connection: close`: the mock hangs up when they are out, not before."""
    size = 5_000_000

    # A plain socket: uvloop's own client loses what it has not handed on when FIN comes.
    def slowly(port: int) -> int:
        plain, received = socket.create_connection(("127.0.0.1", port)), b""
        with plain, trusting(tmp_path).wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(REQUEST % b"/work")
            time.sleep(0.5)  # nothing is read
            while data := tls.recv(1_000_000):
                received += data
                time.sleep(0.0005)
        return len(received.partition(b"\r\n\r\n")[2])

    settings = {"payload_bytes": size, "max_requests_per_connection": 1}
    async with run_mock(latency="constant(0ms)", tls="on", tls_directory=tmp_path, **settings) as running:
        assert await asyncio.to_thread(slowly, running.data) == size
        await running.until(lambda: not running.mock.connections.open)
        assert running.mock.requests.total.completed == 1
        assert running.mock.connections.closed_by["server"] == 1
