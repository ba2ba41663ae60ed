import asyncio
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.raw_http import get, roundtrip, split
from support.servers import Part, check, free_port, part
from support.threaded_upstream import Meter, threaded_upstream

pytestmark = pytest.mark.slow


@contextmanager
def upstream_and_proxy(latency_seconds: float, **variables: object) -> Iterator[tuple[Part, int]]:
    """Serve both, the proxy as a process; give it and its port."""
    port = free_port()
    with threaded_upstream(Meter(latency_seconds)) as upstream:
        variables |= {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": upstream.url}
        with part("proxy", f"http://127.0.0.1:{port}/-/ready", **variables) as proxy:
            yield proxy, port


def pool_of(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/pool", timeout=5) as answer:
        pool: dict[str, Any] = json.load(answer)
    return pool


async def ask(port: int, count: int) -> list[int]:
    answers = await asyncio.gather(*(roundtrip(port, get("/work", "X-Sandbox-Run: 1"), 15) for _ in range(count)))
    return [split(answer)[0] for answer in answers]


async def test_two_workers_are_summed_to_the_last_request() -> None:
    """Whichever worker answers /-/pool, it answers for both."""
    with upstream_and_proxy(0.02, UVICORN_WORKERS=2, PROXY_MAX_CONNECTIONS=4) as (_, port):
        assert set(await ask(port, 120)) == {200}
        for _ in range(6):
            pool = pool_of(port)
            assert (pool["workers"], pool["max"]) == (2, 8)
            assert pool["requests"]["answered"] == pool["run"]["answered"] == 120
            assert pool["opened"] - pool["closed"] == pool["idle"]
            workers = pool["process"]["workers"]
            assert [worker["alive"] for worker in workers] == [True, True]
            assert all(worker["cpu_seconds"] > 0 for worker in workers)


async def test_a_killed_worker_is_replaced_and_nothing_it_counted_is_lost() -> None:
    """The sums go on from where they were."""
    with upstream_and_proxy(0.005, UVICORN_WORKERS=2) as (_, port):
        assert set(await ask(port, 60)) == {200}
        victim = pool_of(port)["process"]["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 15
        while len(pool_of(port)["process"]["workers"]) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        pool = pool_of(port)
        assert pool["requests"]["answered"] == 60
        assert pool["opened"] == pool["closed"] + pool["idle"]
        assert set(await ask(port, 40)) == {200}
        assert pool_of(port)["requests"]["answered"] == 100


async def test_sigterm_answers_what_is_in_flight_and_exits_0() -> None:
    """With one worker and with two."""

    async def scenario(proxy: Part, port: int) -> list[int]:
        asking = asyncio.create_task(ask(port, 20))
        while pool_of(port)["requests"]["in_flight"] < 20:
            await asyncio.sleep(0.02)
        proxy.process.send_signal(signal.SIGTERM)
        return await asking

    for workers in (1, 2):
        with upstream_and_proxy(1.5, UVICORN_WORKERS=workers, PROXY_MAX_CONNECTIONS=20) as (proxy, port):
            assert await scenario(proxy, port) == [200] * 20
            assert proxy.process.wait(10) == 0


def test_ctrl_c_exits_130_without_a_trace() -> None:
    """With one worker and with two."""
    for workers in (1, 2):
        with upstream_and_proxy(0.001, UVICORN_WORKERS=workers) as (proxy, _):
            assert proxy.stop(signal.SIGINT) == 130
            assert proxy.process.stderr is not None
            assert "Traceback" not in proxy.process.stderr.read()


def test_the_product_of_workers_and_connections_is_said_at_the_start() -> None:
    """Each worker has a pool of its own."""
    with upstream_and_proxy(0.001, UVICORN_WORKERS=2, PROXY_MAX_CONNECTIONS=10) as (proxy, _):
        proxy.stop()
        assert proxy.process.stderr is not None
        assert "2 workers x 10 connections, 5 kept alive each = 20 connections" in proxy.process.stderr.read()


def test_a_port_in_use_is_one_line_and_exit_3() -> None:
    """It names the variable that moves it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = check("proxy", PROXY_PORT=port)
    assert result.returncode == 3
    assert result.stderr == f"PROXY_PORT={port}: already in use on 127.0.0.1; set PROXY_PORT to a free port\n"
