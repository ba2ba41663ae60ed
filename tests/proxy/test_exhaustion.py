"""What the proxy itself runs out of has a code of its own, with every client and with the patterns."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from poolwatch.counters import Cell
from proxy.clients.exhaustion import exhausted_code
from proxy.errors import ProxyError
from support.client_fixture import NAMES, QUEUES, direct
from support.eventually import eventually
from support.netns_pair import cannot
from support.raw_http import Exchange, get, raw_upstream, roundtrip, split
from support.servers import environment, free_port, part, running_proxy

ONCE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
"""An answer after which the next request needs a new connection."""

PATTERNS = ["async_lifespan_state", "async_per_request", "httpx_sync_shared", "requests_session", "requests_per_call"]
TOO_LARGE = 1 << 46
"""No machine has the address space for a thread's stack of so many bytes."""


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more, whatever it closes meanwhile: but for 0, 1 and 2 no number is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_threads() -> Iterator[None]:
    """Let this process start no thread; those there are stay."""
    before = threading.stack_size(TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)


async def answer_once(exchange: Exchange) -> None:
    await exchange.send(ONCE)
    exchange.writer.close()


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_connection_without_a_descriptor(name: str, host: str, queue: str) -> None:
    """It costs no slot; the resolver, too, needs a descriptor, and blames the name."""
    async with raw_upstream(answer_once) as upstream:
        url = upstream.url.replace("127.0.0.1", host)
        async with direct(url, name, queue, max_connections=1, pool_timeout_seconds=1) as proxy:
            assert (await proxy.send())[0] == 200
            await eventually(lambda: proxy.cell(Cell.OPENED) == proxy.cell(Cell.CLOSED))
            await eventually(lambda: upstream.closed == upstream.connections)
            await asyncio.sleep(0.01)  # a socket closes after its transport, and would leave a descriptor free
            with no_descriptors():
                for _ in range(2):
                    with pytest.raises(ProxyError) as raised:
                        await proxy.send()
                    assert (raised.value.code, raised.value.status) == ("proxy_descriptors", 503)
            assert (await proxy.send())[0] == 200
            assert proxy.cell(Cell.ACTIVE) == proxy.cell(Cell.WAITING) == 0


async def test_the_proxy_answers_for_its_descriptors_and_counts_them() -> None:
    """A caller that is connected is answered; what the proxy has to read for an answer of its own is missing, too."""
    async with raw_upstream(answer_once) as upstream, running_proxy(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with no_descriptors():
            for path in ("/work", "/-/pool", "/-/ready"):
                writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                assert head.startswith(b"HTTP/1.1 503 "), path
                assert b"no descriptor left" in body, path
        writer.close()
        pool = await proxy.pool()
        assert pool["errors"]["proxy_descriptors"] == 1
        assert pool["requests"]["failed"] == 1


@pytest.mark.parametrize("name", PATTERNS)
async def test_a_pattern_without_a_descriptor(name: str) -> None:
    """It raises, and FastAPI answers 500; the code is the proxy's."""
    async with raw_upstream(answer_once) as upstream, running_proxy(upstream.url) as proxy:
        request = get(f"/-/patterns/{name}/work")
        assert split(await roundtrip(proxy.port, request))[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with no_descriptors():
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert b"x-proxy-error: proxy_descriptors" in head
        writer.close()


@pytest.mark.parametrize("name", ["httpx_sync_shared", "requests_session"])
async def test_a_pattern_without_a_thread(name: str) -> None:
    async with raw_upstream(answer_once) as upstream, running_proxy(upstream.url) as proxy:
        with no_threads():
            _, headers, _ = split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/work")))
        assert (b"x-proxy-error", b"proxy_threads") in headers
        assert split(await roundtrip(proxy.port, get(f"/-/patterns/{name}/work")))[0] == 200
        assert (await proxy.pool())["errors"]["proxy_threads"] == 1


@pytest.mark.parametrize("name", ["httpx", "httpx2", "httpcore", "aiohttp"])
async def test_a_name_is_resolved_in_a_thread(name: str) -> None:
    """pyreqwest has threads of its own, from the start."""
    async with raw_upstream(answer_once) as upstream:
        url = upstream.url.replace("127.0.0.1", "localhost")
        async with running_proxy(url, client=name) as proxy:
            with no_threads():
                status, headers, _ = split(await roundtrip(proxy.port, get("/work")))
            assert (status, (b"x-proxy-error", b"proxy_threads") in headers) == (503, True)
            assert split(await roundtrip(proxy.port, get("/work")))[0] == 200


PORTS = """
import asyncio, sys
from pathlib import Path
from proxy.errors import ProxyError
from support.client_fixture import direct
from support.raw_http import raw_upstream

async def never(exchange):
    await asyncio.sleep(60)

async def main(name):
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("60000 60001")
    async with raw_upstream(never) as upstream, direct(upstream.url, name, max_connections=5) as proxy:
        held = [asyncio.create_task(proxy.send()) for _ in range(2)]
        await asyncio.sleep(0.3)
        try:
            await proxy.send()
        except ProxyError as error:
            print(error.code, error.status, flush=True)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(cannot() is not None, reason=str(cannot()))
@pytest.mark.parametrize("name", NAMES)
def test_a_connection_without_a_local_port(name: str) -> None:
    """Two ports are all that the machine has; each connection to the upstream takes one."""
    script = f"ip link set lo up && exec {sys.executable} -c '{PORTS}' {name}"
    here = {"PYTHONPATH": os.pathsep.join([*sys.path])}
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], env=environment() | here, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["proxy_ports", "503"], done.stderr


def test_an_address_that_is_not_available_is_no_want_of_ports() -> None:
    """As ::1 on a machine without IPv6, where 127.0.0.1 refuses."""
    assert exhausted_code(["proxy_ports", ""]) is None
    assert exhausted_code(["proxy_ports", "proxy_ports"]) == "proxy_ports"
    assert exhausted_code(["", "proxy_descriptors"]) == "proxy_descriptors"
    assert exhausted_code([]) is None


@pytest.mark.slow
async def test_callers_that_cannot_be_accepted() -> None:
    """A process of its own, with all its descriptors taken by callers: the next is cut off, and that is seen."""

    def descriptors() -> int:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())

    async with raw_upstream() as upstream:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with part("proxy", f"{url}/-/ready", PROXY_PORT=port, PROXY_UPSTREAM_URL=upstream.url) as proxy:
            pid = proxy.process.pid
            most = descriptors() + 4
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
            await eventually(lambda: descriptors() == most)
            with suppress(ConnectionError):
                assert await roundtrip(port, get("/work")) == b""
            await asyncio.sleep(0.7)  # the sampler looks twice a second
            for _, writer in held:
                writer.close()
            await eventually(lambda: descriptors() < most)
            process: dict[str, Any] = json.loads(split(await roundtrip(port, get("/-/pool")))[2])["process"]
            assert process["workers"][0]["descriptors_max"] == process["descriptor_limit"] == most
