import asyncio
import ssl
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from poolwatch.counters import Cell
from proxy.clients.transport import socket_options
from proxy.errors import ProxyError
from proxy.settings import Settings
from support.client_fixture import COUNTED, NAMES, QUEUES, chunks, direct
from support.eventually import eventually
from support.raw_http import Exchange, RawUpstream, answer_ok, raw_upstream

SLOW = 0.02


async def slowly(exchange: Exchange) -> None:
    await asyncio.sleep(SLOW)
    await answer_ok(exchange)


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_there_are_never_more_connections_than_allowed(name: str, queue: str) -> None:
    """20 requests at once on 3 connections: all are served, and the upstream never sees a fourth."""

    most = 0

    async def script(exchange: Exchange) -> None:
        nonlocal most
        most = max(most, upstream.connections - upstream.closed)
        await slowly(exchange)

    settings = {"max_connections": 3, "max_keepalive_connections": 3}
    async with raw_upstream(script) as upstream, direct(upstream.url, name, queue, **settings) as proxy:
        answers = await asyncio.gather(*[proxy.send() for _ in range(20)])
        assert [answer[2] for answer in answers] == [b"ok"] * 20
        assert most == 3
        assert proxy.cell(Cell.WAITING) == proxy.cell(Cell.ACTIVE) == 0
        assert proxy.cell(Cell.RUN_ACTIVE_MAX) == 3
        assert proxy.cell(Cell.RUN_WAITING_MAX) >= 17
        if queue == "gate":
            assert proxy.free == 3


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", COUNTED)
async def test_the_counts_are_the_upstreams(name: str, queue: str) -> None:
    """Opened, reused and closed, against what the other side saw."""

    async def script(exchange: Exchange) -> None:
        await slowly(exchange)
        if exchange.number_on_connection == 3:
            exchange.writer.close()

    async with raw_upstream(script) as upstream, direct(upstream.url, name, queue, max_connections=2) as proxy:
        for _ in range(8):
            await asyncio.gather(proxy.send(), proxy.send(), return_exceptions=True)
            await asyncio.sleep(0.01)
        assert proxy.cell(Cell.OPENED) == upstream.connections
        assert proxy.cell(Cell.REUSED) >= 4
        connections: list[dict[str, Any]] | None = proxy.client.connections()
        assert connections is not None
        assert [entry["state"] for entry in connections] == ["idle"] * len(connections)
        assert sum(entry["requests"] for entry in connections) >= len(connections)
        await proxy.client.aclose()
        await eventually(lambda: proxy.cell(Cell.CLOSED) == proxy.cell(Cell.OPENED))


@pytest.mark.parametrize("name", NAMES)
async def test_no_more_idle_connections_are_kept_than_allowed(name: str) -> None:
    """Five at once, then two remain at the most; with none allowed, none."""

    for kept in (2, 0):
        settings: dict[str, Any] = {"max_connections": 5, "max_keepalive_connections": kept}
        async with raw_upstream(slowly) as upstream, direct(upstream.url, name, **settings) as proxy:
            await asyncio.gather(*[proxy.send() for _ in range(5)])
            await eventually(partial(_open_at_most, upstream, kept))
            assert b"connection" not in [key.lower() for key, _ in (await proxy.send())[1]]
            assert all(not exchange.header("connection") for exchange in upstream.exchanges)


@pytest.mark.parametrize(
    ("ends", "settings", "counted"),
    [
        (True, {}, (1, 0)),
        (False, {"keepalive_expiry_seconds": 0.2}, (0, 1)),
        (False, {"max_keepalive_connections": 0}, (0, 0)),
    ],
)
@pytest.mark.parametrize("name", COUNTED)
async def test_a_connection_is_closed_because_it_had_ended_or_was_idle_or_is_not_kept(
    name: str, ends: bool, settings: dict[str, Any], counted: tuple[int, int]
) -> None:
    """The upstream ends the first one while it is idle; the second request sees that."""

    async def answer(exchange: Exchange) -> None:
        await answer_ok(exchange)
        if ends and len(upstream.exchanges) == 1:
            exchange.writer.close()

    async with raw_upstream(answer) as upstream, direct(upstream.url, name, **settings) as proxy:
        await proxy.send()
        await asyncio.sleep(0.5)
        await proxy.send()
        await eventually(lambda: proxy.cell(Cell.CLOSED) >= 1)
        assert (proxy.cell(Cell.CLOSED_ENDED), proxy.cell(Cell.CLOSED_IDLE)) == counted


def _open_at_most(upstream: RawUpstream, count: int) -> bool:
    return upstream.connections - upstream.closed <= count


@pytest.mark.parametrize("name", NAMES)
async def test_a_connection_idle_for_too_long_is_not_used_again(name: str) -> None:
    """It is used before its expiry, and another is opened after it."""

    async with raw_upstream() as upstream, direct(upstream.url, name, keepalive_expiry_seconds=0.3) as proxy:
        await proxy.send()
        await proxy.send()
        assert upstream.connections == 1
        await asyncio.sleep(0.5)
        await proxy.send()
        assert upstream.connections == 2


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_an_old_connection_is_not_used_again_or_the_client_says_it_cannot(name: str, queue: str) -> None:
    """However busy it was, and one that is younger is."""

    clock, limit, opened = time.monotonic, 0.3, (0.0, 0.0)
    settings = {"max_connection_age_seconds": limit, "max_connections": 1}
    async with raw_upstream() as upstream, direct(upstream.url, name, queue, **settings) as proxy:
        for number in range(8):
            await asyncio.sleep(0.06)
            before, connections = clock(), upstream.connections
            await proxy.send()
            if upstream.connections > connections:
                assert number == 0 or clock() - opened[0] > limit
                opened = before, clock()
            elif name != "pyreqwest":
                assert before - opened[1] <= limit
        if name == "pyreqwest":
            assert list(proxy.client.unsupported()).count("PROXY_MAX_CONNECTION_AGE_SECONDS") == 1
            assert upstream.connections == 1
        else:
            assert upstream.connections >= 2


def test_the_kernel_is_told_to_probe_idle_connections() -> None:
    """Only if asked; the first probe after that time."""
    import socket

    assert socket_options(Settings()) == []
    with socket.socket() as probe:
        for option in socket_options(Settings(tcp_keepalive_seconds=17)):
            probe.setsockopt(*option)
        assert probe.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 17


@pytest.mark.parametrize("name", NAMES)
async def test_requests_are_served_with_kernel_probes_on(name: str) -> None:
    """Each library takes the option in its own way; the kernel shows the timer."""

    async with raw_upstream() as upstream, direct(upstream.url, name, tcp_keepalive_seconds=60) as proxy:
        await proxy.send()
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = [row for row in rows if row[2].endswith(f":{upstream.port:04X}") and row[3] == "01"]
        timers = [row[5].split(":")[0] for row in ours]
        assert timers == ["02"]  # the keep-alive timer


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("name", NAMES)
async def test_no_library_repeats_a_request_by_itself(name: str, method: str) -> None:
    """A kept connection that is closed at the next request: the upstream sees that request once."""

    async def script(exchange: Exchange) -> None:
        if exchange.number_on_connection == 2:
            exchange.writer.close()
        else:
            await answer_ok(exchange)

    async with raw_upstream(script) as upstream, direct(upstream.url, name) as proxy:
        await proxy.send()
        headers = [] if method == "GET" else [(b"content-length", b"2")]
        with pytest.raises(ProxyError) as raised:
            await proxy.send(b"/", *headers, method=method, body=chunks(b"hi") if headers else None)
        assert raised.value.code in ("upstream_closed", "upstream_reset")
        assert len(upstream.exchanges) == 2


@pytest.mark.parametrize("name", NAMES)
async def test_a_waiting_request_does_not_get_what_came_behind_anothers_answer(name: str) -> None:
    """The connection goes from one request straight to the next: bytes behind the first answer end it."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.01)
        if exchange.request_line.startswith(b"GET /two"):
            foreign = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign"
            await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + foreign)
        else:
            await answer_ok(exchange)

    async with raw_upstream(script) as upstream, direct(upstream.url, name, max_connections=1) as proxy:
        answers = await asyncio.gather(*[proxy.send(target) for target in (b"/two", b"/one", b"/two", b"/one")])
        assert [answer[2] for answer in answers] == [b"ok"] * 4


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and server.pem and server.key for 127.0.0.1 and localhost signed by it."""
    folder = tmp_path_factory.mktemp("ca")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=own-authority "
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile ext",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", NAMES)
async def test_an_https_upstream_is_trusted_by_its_authority_only(name: str, queue: str, authority: Path) -> None:
    """With PROXY_CA_FILE it answers; without, the certificate is refused before anything is sent."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.append(head)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        async with direct(url, name, queue, ca_file=authority / "ca.pem") as proxy:
            for target in (b"/one", b"/two%2F"):
                assert (await proxy.send(target))[2] == b"ok"
            if name != "pyreqwest":
                assert (proxy.cell(Cell.OPENED), proxy.cell(Cell.REUSED)) == (1, 1)
        assert [head.split(b" ")[1] for head in heads] == [b"/one", b"/two%2F"]
        async with direct(url, name, queue) as proxy:
            with pytest.raises(ProxyError) as raised:
                await proxy.send()
            assert raised.value.code == "upstream_connect_error"
        assert len(heads) == 2


async def test_an_aiohttp_without_the_private_names_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with direct("http://127.0.0.1:1", "aiohttp") as proxy:
        assert proxy.client.unsupported() == {}
    monkeypatch.setattr(
        "proxy.clients.aiohttp_client.missing_private_names", lambda *_: {"_conns", "_retry_connection"}
    )
    async with raw_upstream() as upstream, direct(upstream.url, "aiohttp") as proxy:
        said = proxy.client.unsupported()
        assert (await proxy.send())[0] == 200
    assert set(said) == {"PROXY_MAX_KEEPALIVE_CONNECTIONS", "PROXY_RETRIES"}
    assert "has no _retry_connection: it may repeat a request once by itself." in said["PROXY_RETRIES"]
